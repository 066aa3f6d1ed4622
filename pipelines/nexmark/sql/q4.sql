-- Average price for a category: the mean, without its fraction, of the highest bids that its auctions had while they were open.
CREATE TABLE events (
  event_type INT NOT NULL,
  person ROW<id BIGINT, name STRING, city STRING, state STRING, dateTime BIGINT>,
  auction ROW<id BIGINT, dateTime BIGINT, expires BIGINT, seller BIGINT, category BIGINT>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime BIGINT, extra STRING>,
  ts AS TO_TIMESTAMP_LTZ(CASE event_type WHEN 0 THEN person.dateTime WHEN 1 THEN auction.dateTime WHEN 2 THEN bid.dateTime END, 3),
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'kinesis', 'format' = 'json');

CREATE VIEW auction AS
SELECT auction.id AS id, auction.category AS category, auction.dateTime AS dateTime, auction.expires AS expires, ts
FROM events WHERE event_type = 1;

CREATE VIEW bid AS
SELECT bid.auction AS auction, bid.price AS price, bid.dateTime AS dateTime, ts FROM events WHERE event_type = 2;

SELECT Q.category AS id, TRUNC(AVG(Q.final)) AS final
FROM (
  SELECT MAX(B.price) AS final, A.category
  FROM auction A, bid B
  WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.expires
  GROUP BY A.id, A.category
) Q
GROUP BY Q.category;
