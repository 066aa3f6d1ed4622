-- Every bid as it is.
CREATE TABLE events (
  event_type INT NOT NULL,
  person ROW<id BIGINT, name STRING, city STRING, state STRING, dateTime BIGINT>,
  auction ROW<id BIGINT, dateTime BIGINT, expires BIGINT, seller BIGINT, category BIGINT>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime BIGINT, extra STRING>,
  ts AS TO_TIMESTAMP_LTZ(CASE event_type WHEN 0 THEN person.dateTime WHEN 1 THEN auction.dateTime WHEN 2 THEN bid.dateTime END, 3),
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'kinesis', 'format' = 'json');

CREATE VIEW bids AS
SELECT bid.auction AS auction, bid.bidder AS bidder, bid.price AS price, bid.channel AS channel, bid.url AS url,
  bid.dateTime AS dateTime, bid.extra AS extra, ts
FROM events WHERE event_type = 2;

SELECT auction, bidder, price, channel, url, dateTime, extra FROM bids;
