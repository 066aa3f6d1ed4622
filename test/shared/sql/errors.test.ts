import { expect, test } from 'vitest';
import { sqlPipeline } from '#shared/sql/index.ts';

const table = `CREATE TABLE requests (ip STRING, status INT, bytes BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kinesis', 'format' = 'json');
`;

function messageOf(text: string): string {
  try {
    sqlPipeline(`${table}${text}`, { id: 'query' });
  } catch (error) {
    return `\n${(error as Error).message}\n`;
  }
  return 'no error';
}

test.each([
  'SELECT ip FORM requests',
  'SELECT ipp FROM requests',
  'SELECT ip FROM request',
  'SELECT SUMM(bytes) FROM requests',
  'SELECT ip, bytes FROM requests GROUP BY ip',
  'SELECT ip + 1 FROM requests',
  'SELECT ip FROM requests WHERE bytes',
  "SELECT ip FROM requests WHERE ts > 'yesterday'",
  'SELECT UPPER(bytes) FROM requests',
  'SELECT HOUR(bytes) FROM requests',
  "SELECT bytes + INTERVAL '1' MINUTE FROM requests",
  'SELECT ts / 1000 FROM requests',
  'SELECT SUBSTRING(ip) FROM requests',
  'SELECT ip FROM requests WHERE SUM(bytes) > 1',
  "SELECT ip, COUNT(*) FROM requests GROUP BY ip, TUMBLE(bytes, INTERVAL '1' MINUTE)",
  "SELECT ip, COUNT(*) FROM requests GROUP BY ip, HOP(ts, INTERVAL '5' MINUTE, INTERVAL '1' MINUTE)",
  "SELECT ip, COUNT(*) FROM requests GROUP BY ip, TUMBLE(ts, INTERVAL '1' MONTH)",
  "SELECT TUMBLE_START(ts, INTERVAL '1' HOUR) FROM requests GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
  "SELECT ip, COUNT(*) FROM TABLE(SESSION(TABLE requests, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY ip, window_start, window_end",
  "SELECT COUNT(*) FROM TABLE(SESSION(TABLE requests PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
  "SELECT COUNT(*) FROM TABLE(SESSION(TABLE requests, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE bytes > 1 GROUP BY window_start, window_end",
  "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE requests PARTITION BY ip, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
  'SELECT ip FROM requests ORDER BY ip LIMIT 3',
  'SELECT ip FROM requests LIMIT 3 OFFSET 1',
  'SELECT ip FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY bytes) AS status FROM requests) WHERE status = 1',
  'SELECT ip, NOW() FROM requests',
  'SELECT ip FROM requests WHERE ip IN (SELECT ip FROM requests)',
  'SELECT a.ip FROM requests a LEFT JOIN requests b ON a.ip = b.ip',
  'SELECT a.ip FROM requests a JOIN requests b ON a.bytes < b.bytes',
  'SELECT ip FROM requests a JOIN requests b ON a.ip = b.ip',
  'SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY bytes DESC) AS n FROM requests',
  "SELECT ip, SUM(bytes) AS b, RANK() OVER (PARTITION BY window_start, window_end ORDER BY SUM(bytes)) AS n FROM TABLE(TUMBLE(TABLE requests, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, ip",
  'SELECT MAX(n) FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip)',
  'SELECT COUNT(DISTINCT *) FROM requests',
  'SELECT COUNT(DISTINCT n) FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip)',
  "SELECT COUNT(*) FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip) GROUP BY TUMBLE(n, INTERVAL '1' MINUTE)",
  'SELECT n, SUM(n) / (SELECT SUM(n) FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip)) AS share FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip) GROUP BY n',
  'SELECT n, SUM(COUNT(*)) OVER () AS share FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip) GROUP BY n',
  'SELECT COUNT(*) FROM (SELECT ip, COUNT(*) / (SELECT COUNT(*) FROM requests) AS share FROM requests GROUP BY ip) WHERE share > 0.1',
  'SELECT a.ip FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip) a JOIN requests b ON a.ip = b.ip',
  'SELECT ip FROM (SELECT ip, RANK() OVER (ORDER BY n) AS place FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip)) WHERE place = 1',
  'SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip UNION ALL SELECT ip, status FROM requests',
  "CREATE TABLE s WITH ('connector' = 's3', 'format' = 'parquet', 'every' = '5 min'); INSERT INTO s SELECT n, COUNT(*) AS groups FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip) GROUP BY n",
  'SELECT bytes, LAG(bytes) OVER (ORDER BY ts) FROM requests',
  'SELECT DATE(ts) FROM requests',
  'SELECT order FROM requests',
  "SELECT ip, TUMBLE_START(ts, INTERVAL '1' MINUTE) FROM requests",
  'SELECT ip FROM requests WHERE ip = "a"',
  'SELECT ip FROM requests WHERE bytes == 3',
  'SELECT ip FROM requests OFFSET 3',
  'SELECT ip FROM requests NATURAL JOIN requests',
  "SELECT ts AT TIME ZONE 'Europe/Amsterdam' FROM requests",
  "SELECT window_start, COUNT(*) FROM requests GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
  'SELECT COUNT(*) AS final FROM requests',
  'SELECT ip AS final FROM requests',
  "SELECT ip FROM requests WHERE ip LIKE 'a",
  'SELECT CAST(ts AS BIGINT) FROM requests',
  'SELECT CAST(ip AS BIGIN) FROM requests',
  'SELECT ip FROM requests WHERE bytes = 9007199254740993',
  'SELECT CAST(3000000000 AS INT) FROM requests',
  'SELECT CAST(ip AS CHAR(5)) FROM requests',
  'SELECT CAST(ts AS TIMESTAMP(0)) FROM requests',
  "SELECT DATE_FORMAT(ts, 'YYYY-MM-dd') FROM requests",
  "SELECT TO_TIMESTAMP(ip, 'dd MMM yyyy') FROM requests",
  'INSERT INTO sink SELECT ip FROM requests',
  "CREATE TABLE s WITH ('connector' = 'dynamodb', 'tll' = '7 d'); INSERT INTO s SELECT ip FROM requests",
  "CREATE TABLE s (a STRING, b BIGINT) WITH ('connector' = 'dynamodb'); INSERT INTO s SELECT ip FROM requests",
  'SELEC ip FROM requests',
  '',
])('%s', (text) => {
  expect(messageOf(text)).toMatchSnapshot();
});
