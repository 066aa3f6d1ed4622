-- Which share of the traffic does each address have, minute by minute?
CREATE TABLE requests (
  host STRING NOT NULL,
  path STRING NOT NULL,
  status INT NOT NULL,
  bytes BIGINT NOT NULL,
  timeMs BIGINT NOT NULL,
  ts AS TO_TIMESTAMP_LTZ(timeMs, 3),
  WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE
) WITH (
  'connector' = 'kinesis',
  'format' = 'json, combined',
  'idle-after' = '2 min'
);

CREATE TABLE ip_shares WITH ('connector' = 'dynamodb', 'ttl' = '7 d');

INSERT INTO ip_shares
SELECT
  host AS ip,
  COUNT(*) AS requests,
  SUM(bytes) AS bytes,
  ROUND(SUM(bytes) / (SELECT SUM(bytes) FROM requests), 4) AS share
FROM requests
GROUP BY host, TUMBLE(ts, INTERVAL '1' MINUTE);
