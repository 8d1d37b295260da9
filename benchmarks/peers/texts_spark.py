"""The queries in Spark's dialect, as far as its streams can run them.

Spark gives no row of a window before a later event has come: queries that close windows read one more file
with one event of each kind, a day later. Everything else is as its documentation advises: update mode for
running aggregates (each group once per micro-batch), append mode elsewhere.
"""

from __future__ import annotations

from typing import Any

_RANKS = """count(*) AS total_bids, count_if(price < 10000) AS rank1_bids,
  count_if(price >= 10000 AND price < 1000000) AS rank2_bids, count_if(price >= 1000000) AS rank3_bids"""
_SESSIONS = """SELECT {key}, count(*) AS {count}, session_window.start AS {begin}, session_window.end AS {end}
FROM bid GROUP BY {key}, session_window(dateTime, '{gap} seconds')"""

TEXTS = {
    "q0": "SELECT auction, bidder, price, dateTime, extra FROM bid",
    "q1": "SELECT auction, bidder, 0.908 * price AS price, dateTime, extra FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q3": """SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id
WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')""",
    "q5": """SELECT item.auction, item.num FROM (
  SELECT explode(filter(items, i -> i.num = top)) AS item FROM (
    SELECT window, max(num) AS top, collect_list(struct(auction, num)) AS items FROM (
      SELECT window(dateTime, '10 seconds', '2 seconds') AS window, auction, count(*) AS num
      FROM bid GROUP BY window(dateTime, '10 seconds', '2 seconds'), auction)
    GROUP BY window))""",
    "q8": """SELECT p.id, p.name, p.window.start AS stime FROM (
  SELECT id, name, window(dateTime, '10 seconds') AS window
  FROM person GROUP BY id, name, window(dateTime, '10 seconds')) p
JOIN (SELECT seller, window(dateTime, '10 seconds') AS window
  FROM auction GROUP BY seller, window(dateTime, '10 seconds')) a
ON p.id = a.seller AND p.window = a.window""",
    "q11": _SESSIONS.format(key="bidder", count="bid_count", begin="starttime", end="endtime", gap=10),
    "q17": f"""SELECT auction, date_format(dateTime, 'yyyy-MM-dd') AS day, {_RANKS},
  min(price) AS min_price, max(price) AS max_price, sum(price) div count(*) AS avg_price,
  sum(price) AS sum_price FROM bid GROUP BY auction, date_format(dateTime, 'yyyy-MM-dd')""",
    "q18": """SELECT auction, bidder, last.price, last.channel, last.url, dateTime, last.extra FROM (
  SELECT auction, bidder, max(dateTime) AS dateTime,
    max_by(struct(price, channel, url, extra), dateTime) AS last FROM bid GROUP BY auction, bidder)""",
    "q20": """SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.dateTime AS bid_dateTime,
  b.extra AS bid_extra, a.itemName, a.description, a.initialBid, a.reserve, a.dateTime AS auction_dateTime,
  a.expires, a.seller, a.category, a.extra AS auction_extra
FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10""",
    "q22": """SELECT auction, bidder, price, channel, split(url, '/')[3] AS dir1, split(url, '/')[4] AS dir2,
  split(url, '/')[5] AS dir3 FROM bid""",
    "w_hop": """SELECT bidder, count(*) AS n, window.start AS window_start, window.end AS window_end
FROM bid GROUP BY bidder, window(dateTime, '20 seconds', '5 seconds')""",
    "w_session": _SESSIONS.format(key="auction", count="n", begin="window_start", end="window_end", gap=2),
}
_UPDATING = ("q17", "q18")
_CLOSING = ("q5", "q8", "q11", "w_hop", "w_session")
WHY_NOT = {
    "q4": "an aggregate of an aggregate needs append mode, and append mode needs windows",
    "q7": "not adapted yet",
    "q9": "ranks are refused in streams",
    "q15": "distinct counts are refused in streams",
    "q16": "distinct counts are refused in streams",
    "q19": "ranks are refused in streams",
    "q23": "not adapted yet",
    "over_range": "OVER is refused in streams",
}


def query(name: str) -> dict[str, Any] | None:
    """The text and how Spark has to run it."""
    if name not in TEXTS:
        return None
    output = "update" if name in _UPDATING else "append"
    return {"text": TEXTS[name], "output": output, "closes": name in _CLOSING}
