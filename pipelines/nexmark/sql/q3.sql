-- Local item suggestion: who is selling in category 10 in Oregon, Idaho or California.
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

SELECT p.name, p.city, p.state, a.id
FROM auctions AS a JOIN persons AS p ON a.seller = p.id
WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA');
