"""The queries in DuckDB's dialect: tables have ended, so windows are groups and sessions are gaps."""

from __future__ import annotations

from typing import Any

_RANKS = """count(*) AS total_bids, count(*) FILTER (price < 10000) AS rank1_bids,
  count(*) FILTER (price >= 10000 AND price < 1000000) AS rank2_bids,
  count(*) FILTER (price >= 1000000) AS rank3_bids"""
_CLASSES = {
    "total": "",
    "rank1": " FILTER (price < 10000)",
    "rank2": " FILTER (price >= 10000 AND price < 1000000)",
    "rank3": " FILTER (price >= 1000000)",
}
_DISTINCT = ", ".join(
    f"count(DISTINCT {key}){condition} AS {name}_{key}s"
    for key in ("bidder", "auction")
    for name, condition in _CLASSES.items()
)
_SESSIONS = """SELECT {key}, count(*) AS {count}, min(dateTime) AS {begin},
  max(dateTime) + INTERVAL '{gap} seconds' AS {end} FROM (
  SELECT {key}, dateTime, sum(CAST(is_first AS INT)) OVER (PARTITION BY {key} ORDER BY dateTime) AS number
  FROM (
    SELECT {key}, dateTime, dateTime - lag(dateTime) OVER (PARTITION BY {key} ORDER BY dateTime)
      > INTERVAL '{gap} seconds' AS is_first FROM bid)) GROUP BY {key}, coalesce(number, 0)"""
_WINDOW = "time_bucket(INTERVAL '10 seconds', dateTime)"

TEXTS = {
    "q0": "SELECT auction, bidder, price, dateTime, extra FROM bid",
    "q1": "SELECT auction, bidder, 0.908 * price AS price, dateTime, extra FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q3": """SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id
WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')""",
    "q4": """SELECT category AS id, CAST(sum(final) // count(*) AS BIGINT) AS final FROM (
  SELECT a.id, a.category, max(b.price) AS final FROM auction a
  JOIN bid b ON a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires GROUP BY a.id, a.category)
GROUP BY category""",
    "q5": """WITH panes AS (
    SELECT auction, epoch_ms(dateTime) // 2000 AS pane, count(*) AS num FROM bid GROUP BY ALL),
  windows AS (SELECT auction, pane + step AS w, CAST(sum(num) AS BIGINT) AS num
    FROM panes, range(5) AS steps(step) GROUP BY ALL)
SELECT auction, num FROM windows QUALIFY num = max(num) OVER (PARTITION BY w)""",
    "q7": f"""SELECT b.auction, b.bidder, b.price, b.dateTime, b.extra FROM bid b
JOIN (SELECT max(price) AS top, {_WINDOW} AS ws FROM bid GROUP BY ALL) m ON b.price = m.top
WHERE b.dateTime BETWEEN m.ws AND m.ws + INTERVAL '10 seconds'""",
    "q8": f"""SELECT p.id, p.name, p.ws AS stime
FROM (SELECT DISTINCT id, name, {_WINDOW} AS ws FROM person) p
JOIN (SELECT DISTINCT seller, {_WINDOW} AS ws FROM auction) a ON p.id = a.seller AND p.ws = a.ws""",
    "q9": """SELECT a.*, b.auction, b.bidder, b.price, b.dateTime AS bid_dateTime, b.extra AS bid_extra
FROM auction a JOIN bid b ON a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires
QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.dateTime) <= 1""",
    "q11": _SESSIONS.format(key="bidder", count="bid_count", begin="starttime", end="endtime", gap=10),
    "q15": f"""SELECT strftime(dateTime, '%Y-%m-%d') AS day, {_RANKS}, {_DISTINCT} FROM bid GROUP BY day""",
    "q16": f"""SELECT channel, strftime(dateTime, '%Y-%m-%d') AS day,
  max(strftime(dateTime, '%H:%M')) AS minute,
  {_RANKS}, {_DISTINCT} FROM bid GROUP BY channel, day""",
    "q17": f"""SELECT auction, strftime(dateTime, '%Y-%m-%d') AS day, {_RANKS},
  min(price) AS min_price, max(price) AS max_price, CAST(sum(price) // count(*) AS BIGINT) AS avg_price,
  CAST(sum(price) AS BIGINT) AS sum_price FROM bid GROUP BY auction, day""",
    "q18": """SELECT auction, bidder, price, channel, url, dateTime, extra FROM bid
QUALIFY row_number() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC) <= 1""",
    "q19": """SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number FROM bid
QUALIFY rank_number <= 10""",
    "q20": """SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.dateTime AS bid_dateTime,
  b.extra AS bid_extra, a.itemName, a.description, a.initialBid, a.reserve, a.dateTime AS auction_dateTime,
  a.expires, a.seller, a.category, a.extra AS auction_extra
FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10""",
    "q22": """SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1,
  split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3 FROM bid""",
    "q23": """SELECT b.bidder, b.price, b.channel, b.url, b.extra AS bid_extra, p.id AS person_id, p.name,
  p.emailAddress, p.creditCard, p.city, p.state, p.extra AS person_extra, a.itemName, a.description,
  a.initialBid, a.reserve, a.dateTime AS auction_dateTime, a.expires, a.seller, a.category,
  a.extra AS auction_extra
FROM bid b JOIN person p ON p.id = b.bidder JOIN auction a ON a.seller = b.bidder""",
    "w_hop": """WITH panes AS (
    SELECT bidder, epoch_ms(dateTime) // 5000 AS pane, count(*) AS num FROM bid GROUP BY ALL),
  windows AS (SELECT bidder, (pane - step) * 5000 AS ws, CAST(sum(num) AS BIGINT) AS n
    FROM panes, range(4) AS steps(step) GROUP BY ALL)
SELECT bidder, n, make_timestamp(ws * 1000) AS window_start, make_timestamp((ws + 20000) * 1000) AS window_end
FROM windows""",
    "w_session": _SESSIONS.format(key="auction", count="n", begin="window_start", end="window_end", gap=2),
    "over_range": """SELECT auction, bidder, price, dateTime,
  CAST(sum(price) OVER w AS BIGINT) AS s, count(*) OVER w AS n
FROM bid WINDOW w AS (PARTITION BY bidder ORDER BY dateTime RANGE INTERVAL '10 seconds' PRECEDING)""",
}


def query(name: str) -> dict[str, Any] | None:
    """The text, if there is one."""
    return {"text": TEXTS[name]} if name in TEXTS else None
