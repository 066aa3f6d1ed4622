-- The queries of the Nexmark benchmark in SQL, as one pipeline with a view for each: `millrace run nexmark/queries --input FILE --view q5`.
-- q4 is not among them: it reads rows that change with every record, which TypeScript's asChanges() does.

CREATE TABLE events (
  event_type INT NOT NULL,
  person ROW<id BIGINT, name STRING, city STRING, state STRING, `dateTime` BIGINT>,
  auction ROW<id BIGINT, `dateTime` BIGINT, expires BIGINT, seller BIGINT, category BIGINT>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` BIGINT, extra STRING>,
  ts AS TO_TIMESTAMP_LTZ(
    CASE event_type WHEN 0 THEN person.`dateTime` WHEN 1 THEN auction.`dateTime` WHEN 2 THEN bid.`dateTime` END, 3),
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'kinesis', 'format' = 'json');

CREATE VIEW persons AS
SELECT person.id AS id, person.name AS name, person.city AS city, person.state AS state, ts
FROM events WHERE event_type = 0;
CREATE VIEW auctions AS
SELECT auction.id AS id, auction.seller AS seller, auction.category AS category, ts
FROM events WHERE event_type = 1;
CREATE VIEW bids AS
SELECT bid.auction AS auction, bid.bidder AS bidder, bid.price AS price, bid.channel AS channel,
  bid.url AS url, bid.`dateTime` AS `dateTime`, bid.extra AS extra, ts
FROM events WHERE event_type = 2;

CREATE TABLE q0 WITH ('connector' = 'dynamodb', 'ttl' = '1 d');
CREATE TABLE q1 WITH ('connector' = 'dynamodb', 'ttl' = '1 d');
CREATE TABLE q2 WITH ('connector' = 'dynamodb', 'ttl' = '1 d');
CREATE TABLE q3 WITH ('connector' = 'dynamodb', 'ttl' = '1 d');
CREATE TABLE q5 WITH ('connector' = 'dynamodb', 'ttl' = '1 d');
CREATE TABLE q7 WITH ('connector' = 'dynamodb', 'ttl' = '1 d');
CREATE TABLE q8 WITH ('connector' = 'dynamodb', 'ttl' = '1 d');
CREATE TABLE q11 WITH ('connector' = 'dynamodb', 'ttl' = '1 d');
CREATE TABLE q12 WITH ('connector' = 'dynamodb', 'ttl' = '1 d');

INSERT INTO q0 SELECT auction, bidder, price, channel, url, `dateTime`, extra FROM bids;

INSERT INTO q1 SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bids;

INSERT INTO q2 SELECT auction, price FROM bids WHERE MOD(auction, 123) = 0;

INSERT INTO q3
SELECT p.name AS name, p.city AS city, p.state AS state, a.id AS id
FROM auctions a JOIN persons p ON a.seller = p.id
WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA');

INSERT INTO q5
SELECT auction, num FROM (
  SELECT *, RANK() OVER (PARTITION BY window_start, window_end ORDER BY num DESC) AS place FROM (
    SELECT window_start, window_end, auction, COUNT(*) AS num
    FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, auction)
) WHERE place <= 1;

INSERT INTO q7
SELECT auction, bidder, price, `dateTime`, extra FROM (
  SELECT *, RANK() OVER (PARTITION BY window_start, window_end ORDER BY price DESC) AS place
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))
) WHERE place <= 1;

INSERT INTO q8
SELECT p.id AS id, p.name AS name FROM (
  SELECT window_start, window_end, id, name, COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE persons, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, id, name
) p JOIN (
  SELECT window_start, window_end, seller, COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE auctions, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, seller
) a ON p.id = a.seller AND p.window_start = a.window_start AND p.window_end = a.window_end;

INSERT INTO q11 SELECT bidder, COUNT(*) AS bid_count FROM bids GROUP BY bidder, SESSION(ts, INTERVAL '10' SECOND);

INSERT INTO q12
SELECT bidder, COUNT(*) AS bid_count, SUM(price) AS sum_price FROM bids GROUP BY bidder, TUMBLE(ts, INTERVAL '10' SECOND);
