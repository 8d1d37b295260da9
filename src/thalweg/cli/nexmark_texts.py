"""The texts of the Nexmark queries that the demo and the benchmarks run.

Not here: running them (nexmark.py), why each one is measured (bench/throughput.py, bench/stateful.py).
"""

from __future__ import annotations

QUERIES = {
    "q0": "SELECT auction, bidder, price, `dateTime`, extra FROM bid",
    "q1": "SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0",
    "q5": """
        SELECT auction, num FROM (
          SELECT auction, num, RANK() OVER (PARTITION BY window_start, window_end ORDER BY num DESC) AS place
          FROM (
            SELECT auction, COUNT(*) AS num, window_start, window_end
            FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
            GROUP BY auction, window_start, window_end))
        WHERE place = 1""",
    "q12": """
        SELECT bidder, COUNT(*) AS bid_count, window_start AS starttime, window_end AS endtime
        FROM TABLE(TUMBLE(TABLE bid_now, DESCRIPTOR(p_time), INTERVAL '10' SECOND))
        GROUP BY bidder, window_start, window_end""",
    "q13": """
        SELECT b.auction, b.bidder, b.price, b.`dateTime`, s.`value`
        FROM bid_now b
        JOIN side_input FOR SYSTEM_TIME AS OF b.p_time AS s ON MOD(b.auction, 10000) = s.key""",
    "q17": """
        SELECT auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`, COUNT(*) AS total_bids,
          COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
          COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
          COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
          MIN(price) AS min_price, MAX(price) AS max_price, AVG(price) AS avg_price, SUM(price) AS sum_price
        FROM bid GROUP BY auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')""",
    "filter": "SELECT auction, price, `dateTime` FROM bid WHERE price >= 100",
    "count": "SELECT auction, COUNT(*) AS num, MAX(`dateTime`) AS latest FROM bid GROUP BY auction",
    "q3": """
        SELECT p.name, p.city, p.state, a.id
        FROM auction a
        JOIN person p ON a.seller = p.id
        WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')""",
    "q4": """
        SELECT w.category AS id, AVG(w.final) AS final
        FROM (SELECT a.id, a.category, MAX(b.price) AS final
        FROM auction a
        JOIN bid b ON a.id = b.auction AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires
        GROUP BY a.id, a.category) w
        GROUP BY w.category""",
    "q7": """
        SELECT b.auction, b.bidder, b.price, b.`dateTime`, b.extra
        FROM bid b
        JOIN (SELECT MAX(price) AS top, window_end AS we
        FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
        GROUP BY window_start, window_end) m ON b.price = m.top
        WHERE b.`dateTime` BETWEEN m.we - INTERVAL '10' SECOND AND m.we""",
    "q8": """
        SELECT p.id, p.name, p.ws AS stime
        FROM (SELECT id, name, window_start AS ws, window_end AS we
        FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
        GROUP BY id, name, window_start, window_end) p
        JOIN (SELECT seller, window_start AS ws, window_end AS we
        FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
        GROUP BY seller, window_start, window_end) a ON p.id = a.seller AND p.ws = a.ws AND p.we = a.we""",
    "q9": """
        SELECT id, itemName, description, initialBid, reserve, `dateTime`, expires, seller, category, extra,
          auction, bidder, price, bid_dateTime, bid_extra
        FROM (SELECT a.*, b.auction, b.bidder, b.price, b.`dateTime` AS bid_dateTime, b.extra AS bid_extra,
          ROW_NUMBER() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.`dateTime` ASC) AS rn
        FROM auction a
        JOIN bid b ON a.id = b.auction AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires)
        WHERE rn <= 1""",
    "q11": """
        SELECT bidder, COUNT(*) AS bid_count, window_start AS starttime, window_end AS endtime
        FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
        GROUP BY bidder, window_start, window_end""",
    "q15": """
        SELECT DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`, COUNT(*) AS total_bids,
          COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
          COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
          COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
          COUNT(DISTINCT bidder) AS total_bidders,
          COUNT(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
          COUNT(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
          COUNT(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
          COUNT(DISTINCT auction) AS total_auctions,
          COUNT(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
          COUNT(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
          COUNT(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
        FROM bid GROUP BY DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')""",
    "q16": """
        SELECT channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`,
          MAX(DATE_FORMAT(`dateTime`, 'HH:mm')) AS `minute`, COUNT(*) AS total_bids,
          COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
          COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
          COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
          COUNT(DISTINCT bidder) AS total_bidders,
          COUNT(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
          COUNT(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
          COUNT(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
          COUNT(DISTINCT auction) AS total_auctions,
          COUNT(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
          COUNT(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
          COUNT(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
        FROM bid GROUP BY channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')""",
    "q18": """
        SELECT auction, bidder, price, channel, url, `dateTime`, extra
        FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY `dateTime` DESC) AS rn
        FROM bid)
        WHERE rn <= 1""",
    "q19": """
        SELECT *
        FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number
        FROM bid)
        WHERE rank_number <= 10""",
    "q20": """
        SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.`dateTime` AS bid_dateTime, b.extra AS
        bid_extra, a.itemName, a.description, a.initialBid, a.reserve, a.`dateTime` AS auction_dateTime,
        a.expires, a.seller, a.category, a.extra AS auction_extra
        FROM bid b
        JOIN auction a ON b.auction = a.id
        WHERE a.category = 10""",
    "q22": """
        SELECT auction, bidder, price, channel, SPLIT_INDEX(url, '/', 3) AS dir1,
          SPLIT_INDEX(url, '/', 4) AS dir2, SPLIT_INDEX(url, '/', 5) AS dir3
        FROM bid""",
    "q23": """
        SELECT b.bidder, b.price, b.channel, b.url, b.extra AS bid_extra, p.id AS person_id, p.name,
        p.emailAddress, p.creditCard, p.city, p.state, p.extra AS person_extra, a.itemName,
        a.description, a.initialBid, a.reserve, a.`dateTime` AS auction_dateTime, a.expires, a.seller,
        a.category, a.extra AS auction_extra
        FROM bid b
        JOIN person p ON p.id = b.bidder
        JOIN auction a ON a.seller = b.bidder""",
    "w_hop": """
        SELECT bidder, COUNT(*) AS n, window_start, window_end
        FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '5' SECOND, INTERVAL '20' SECOND))
        GROUP BY bidder, window_start, window_end""",
    "w_session": """
        SELECT auction, COUNT(*) AS n, window_start, window_end
        FROM TABLE(SESSION(TABLE bid PARTITION BY auction, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND))
        GROUP BY auction, window_start, window_end""",
    "over_range": """
        SELECT auction, bidder, price, `dateTime`, SUM(price) OVER w AS s, COUNT(*) OVER w AS n
        FROM bid WINDOW w AS (PARTITION BY bidder ORDER BY `dateTime` RANGE BETWEEN INTERVAL '10' SECOND
        PRECEDING AND CURRENT ROW)""",
}
