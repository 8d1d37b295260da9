CREATE TABLE answer (auction BIGINT, num BIGINT) WITH (${SINK});

INSERT INTO answer
SELECT auction, num
FROM (SELECT auction, num, RANK() OVER (PARTITION BY window_start, window_end ORDER BY num DESC) AS rn
FROM (SELECT auction, COUNT(*) AS num, window_start, window_end
FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
GROUP BY auction, window_start, window_end))
WHERE rn = 1;
