-- New users: who opened an auction in the ten seconds in which they came.
CREATE TABLE events (
  event_type INT NOT NULL,
  person ROW<id BIGINT, name STRING, city STRING, state STRING, dateTime BIGINT>,
  auction ROW<id BIGINT, dateTime BIGINT, expires BIGINT, seller BIGINT, category BIGINT>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime BIGINT, extra STRING>,
  ts AS TO_TIMESTAMP_LTZ(CASE event_type WHEN 0 THEN person.dateTime WHEN 1 THEN auction.dateTime WHEN 2 THEN bid.dateTime END, 3),
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'kinesis', 'format' = 'json');

CREATE VIEW persons AS
SELECT person.id AS id, person.name AS name, person.city AS city, person.state AS state, ts FROM events WHERE event_type = 0;

CREATE VIEW auctions AS
SELECT auction.id AS id, auction.seller AS seller, auction.category AS category, ts FROM events WHERE event_type = 1;

WITH newcomers AS (
  SELECT window_start, window_end, id, name
  FROM TABLE(TUMBLE(TABLE persons, DESCRIPTOR(ts), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, id, name
), sellers AS (
  SELECT window_start, window_end, seller
  FROM TABLE(TUMBLE(TABLE auctions, DESCRIPTOR(ts), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, seller
)
SELECT n.id, n.name
FROM newcomers AS n JOIN sellers AS s
  ON n.id = s.seller AND n.window_start = s.window_start AND n.window_end = s.window_end;
