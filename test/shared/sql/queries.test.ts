import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { askDuckDb, tableOf } from './duckdb.ts';
import { runSql } from './run-sql.ts';

// Each query in the words of Millrace and of DuckDB, which has no windows: there they are arithmetic on the time.

interface Query {
  readonly sql: string;
  readonly duckdb: string;
}

const minute = 60_000;
/** The start of the minute that a record is in, and that of each of the three windows of three minutes. */
const tumble = `ms // ${minute} * ${minute}`;
const hop = `SELECT *, unnest(generate_series(ms // ${minute} * ${minute} - ${2 * minute}, ms // ${minute} * ${minute}, ${minute})) AS w FROM requests`;
const minutes = "INTERVAL '1' MINUTE";
const tvf = (call: string): string => `FROM TABLE(${call})`;
const tumbled = tvf(`TUMBLE(TABLE requests, DESCRIPTOR(ts), ${minutes})`);
const windowed = `SELECT window_start, window_end, ip, SUM(bytes) AS bytes ${tumbled} GROUP BY window_start, window_end, ip`;

const queries: Readonly<Record<string, Query>> = {
  'rows of records': {
    sql: "SELECT id, UPPER(path) AS p, bytes / 2 AS half FROM requests WHERE status = 200 AND path LIKE '/a%'",
    duckdb: "SELECT id, upper(path) AS p, bytes / 2 AS half FROM requests WHERE status = 200 AND path LIKE '/a%'",
  },
  'groups without a window': {
    sql: 'SELECT ip, COUNT(*) AS n, SUM(bytes) AS bytes, AVG(bytes) AS mean, MIN(path) AS first, MAX(path) AS last FROM requests GROUP BY ip',
    duckdb:
      'SELECT ip, count(*) AS n, sum(bytes) AS bytes, avg(bytes) AS mean, min(path) AS first, max(path) AS last FROM requests GROUP BY ip',
  },
  'the share of the total': {
    sql: 'SELECT ip, SUM(bytes) / (SELECT SUM(bytes) FROM requests) AS ratio FROM requests GROUP BY ip',
    duckdb: 'SELECT ip, sum(bytes) / (SELECT sum(bytes) FROM requests) AS ratio FROM requests GROUP BY ip',
  },
  'the share of another total': {
    sql: 'SELECT ip, ROUND(SUM(bytes) * 100 / (SELECT SUM(bytes) FROM requests), 3) AS pct, COUNT(*) - (SELECT AVG(bytes) FROM requests WHERE status = 404) AS odd FROM requests WHERE status <> 500 GROUP BY ip',
    duckdb:
      'SELECT ip, round(sum(bytes) * 100 / (SELECT sum(bytes) FROM requests), 3) AS pct, count(*) - (SELECT avg(bytes) FROM requests WHERE status = 404) AS odd FROM requests WHERE status <> 500 GROUP BY ip',
  },
  'NULL is a group, and a condition of groups': {
    sql: 'SELECT bytes % 3 AS rest, COUNT(*) AS n, COUNT(bytes) AS known, COUNT(*) FILTER (WHERE status = 404) AS missing FROM requests GROUP BY bytes % 3 HAVING COUNT(*) > 1',
    duckdb:
      'SELECT bytes % 3 AS rest, count(*) AS n, count(bytes) AS known, count(*) FILTER (WHERE status = 404) AS missing FROM requests GROUP BY bytes % 3 HAVING count(*) > 1',
  },
  'some of the groups, in a query around them': {
    sql: 'SELECT UPPER(ip) AS ip, n * 2 AS twice FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip HAVING COUNT(*) > 2) WHERE n < 9',
    duckdb:
      'SELECT upper(ip) AS ip, n * 2 AS twice FROM (SELECT ip, count(*) AS n FROM requests GROUP BY ip HAVING count(*) > 2) WHERE n < 9',
  },
  'all of a table': {
    sql: 'SELECT COUNT(*) AS n, COUNT(DISTINCT ip) AS ips, SUM(bytes) FILTER (WHERE status = 999) AS none FROM requests',
    duckdb:
      'SELECT count(*) AS n, count(DISTINCT ip) AS ips, sum(bytes) FILTER (WHERE status = 999) AS none FROM requests HAVING count(*) > 0',
  },
  'different rows': {
    sql: 'SELECT DISTINCT status, ip FROM requests',
    duckdb: 'SELECT DISTINCT status, ip FROM requests',
  },
  'different rows of all columns beside others': {
    sql: 'SELECT DISTINCT status % 3 AS rest, r.*, bytes + 1 AS more FROM (SELECT ip, status, bytes FROM requests) AS r',
    duckdb:
      'SELECT DISTINCT status % 3 AS rest, r.*, bytes + 1 AS more FROM (SELECT ip, status, bytes FROM requests) AS r',
  },
  'different rows of all columns of both sides of a join': {
    sql: "SELECT DISTINCT * FROM (SELECT ip, status, ts FROM requests) a JOIN (SELECT ip, bytes, ts FROM requests) b ON a.ip = b.ip AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' MINUTE",
    duckdb:
      'SELECT DISTINCT a.ip, a.status, epoch_ms(a.ms) AS ts, b.ip AS ip_2, b.bytes, epoch_ms(b.ms) AS ts_2 FROM requests a JOIN requests b ON a.ip = b.ip AND b.ms BETWEEN a.ms AND a.ms + 60000',
  },
  'different rows of several queries': {
    sql: "SELECT status, ip FROM requests WHERE bytes > 3 UNION SELECT status + 1, ip FROM requests UNION DISTINCT SELECT 1, 'x' FROM requests",
    duckdb:
      "SELECT status, ip FROM requests WHERE bytes > 3 UNION SELECT status + 1, ip FROM requests UNION SELECT 1, 'x' FROM requests",
  },
  'how many there are': {
    sql: 'WITH r AS (SELECT ip, status FROM requests) SELECT ip, COUNT(*) AS n FROM (SELECT * FROM r UNION SELECT ip, 0 FROM r) GROUP BY ip',
    duckdb:
      'WITH r AS (SELECT ip, status FROM requests) SELECT ip, count(*) AS n FROM (SELECT * FROM r UNION SELECT ip, 0 FROM r) GROUP BY ip',
  },
  spread: {
    sql: 'SELECT status, VAR_POP(bytes) AS vp, STDDEV(bytes) AS sd, CORR(bytes, status + bytes * bytes) AS c FROM requests GROUP BY status HAVING COUNT(bytes) > 2',
    duckdb:
      'SELECT status, var_pop(bytes) AS vp, stddev(bytes) AS sd, CASE WHEN var_pop(bytes) = 0 THEN NULL ELSE corr(bytes, status + bytes * bytes) END AS c FROM requests GROUP BY status HAVING count(bytes) > 2',
  },
  'tumbling windows, grouped': {
    sql: `SELECT TUMBLE_START(ts, ${minutes}) AS w, ip, SUM(bytes) AS bytes FROM requests GROUP BY ip, TUMBLE(ts, ${minutes})`,
    duckdb: `SELECT epoch_ms(${tumble}) AS w, ip, sum(bytes) AS bytes FROM requests GROUP BY ${tumble}, ip`,
  },
  'tumbling windows of a table function': {
    sql: `SELECT window_start AS w, ip, SUM(bytes) AS bytes ${tumbled} WHERE status < 400 GROUP BY window_start, window_end, ip HAVING SUM(bytes) > 5`,
    duckdb: `SELECT epoch_ms(${tumble}) AS w, ip, sum(bytes) AS bytes FROM requests WHERE status < 400 GROUP BY ${tumble}, ip HAVING sum(bytes) > 5`,
  },
  'the bounds of a window in what is computed of its records': {
    sql: `SELECT window_start AS w, EXTRACT(MINUTE FROM window_start) % 2 = 0 AS even, COUNT(*) FILTER (WHERE window_end > TIMESTAMP '1970-01-01 00:05:00') AS late, MAX(ts - window_start) < INTERVAL '30' SECOND AS early ${tumbled} WHERE EXTRACT(MINUTE FROM window_time) <> 3 GROUP BY window_start, window_end, EXTRACT(MINUTE FROM window_start) % 2 = 0`,
    duckdb: `SELECT epoch_ms(${tumble}) AS w, (${tumble}) // ${minute} % 2 = 0 AS even, count(*) FILTER (WHERE ${tumble} + ${minute} > ${5 * minute}) AS late, max(ms - ${tumble}) < 30000 AS early FROM requests WHERE (${tumble}) // ${minute} % 60 <> 3 GROUP BY ${tumble}`,
  },
  'the first of the records of some windows': {
    sql: `SELECT window_start AS w, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY ts - window_start, id) AS n ${tumbled}) WHERE n = 1 AND EXTRACT(MINUTE FROM window_start) <> 3`,
    duckdb: `SELECT epoch_ms(w) AS w, id FROM (SELECT *, ${tumble} AS w, row_number() OVER (PARTITION BY ${tumble} ORDER BY ms, id) AS n FROM requests) WHERE n = 1 AND w // ${minute} % 60 <> 3`,
  },
  'groups without a window of records that know theirs': {
    sql: `SELECT m, COUNT(*) AS n FROM (SELECT EXTRACT(MINUTE FROM window_start) AS m ${tumbled} WHERE EXTRACT(MINUTE FROM window_start) <> 3) GROUP BY m`,
    duckdb: `SELECT (${tumble}) // ${minute} % 60 AS m, count(*) AS n FROM requests WHERE (${tumble}) // ${minute} % 60 <> 3 GROUP BY m`,
  },
  'the first of all rows of windows': {
    sql: `SELECT window_start AS w, ip, bytes FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY bytes DESC, window_start) AS n FROM (${windowed})) WHERE n = 1`,
    duckdb: `SELECT epoch_ms(w) AS w, ip, bytes FROM (SELECT *, row_number() OVER (PARTITION BY ip ORDER BY bytes DESC NULLS LAST, w) AS n FROM (SELECT ip, ${tumble} AS w, sum(bytes) AS bytes FROM requests GROUP BY ip, ${tumble})) WHERE n = 1`,
  },
  'the first of all records that know their windows': {
    sql: `SELECT window_start AS w, ip, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY id) AS n FROM (SELECT * ${tumbled} WHERE EXTRACT(MINUTE FROM window_start) <> 3)) WHERE n = 1`,
    duckdb: `SELECT epoch_ms(${tumble}) AS w, ip, id FROM (SELECT *, row_number() OVER (PARTITION BY ip ORDER BY id) AS n FROM requests WHERE (${tumble}) // ${minute} % 60 <> 3) WHERE n = 1`,
  },
  'hopping windows': {
    sql: `SELECT HOP_START(ts, ${minutes}, INTERVAL '3' MINUTE) AS w, ip, COUNT(*) AS n FROM requests GROUP BY ip, HOP(ts, ${minutes}, INTERVAL '3' MINUTE)`,
    duckdb: `SELECT epoch_ms(w) AS w, ip, count(*) AS n FROM (${hop}) GROUP BY w, ip`,
  },
  'cumulative windows': {
    sql: `SELECT window_end AS e, COUNT(*) AS n ${tvf(`CUMULATE(TABLE requests, DESCRIPTOR(ts), ${minutes}, INTERVAL '3' MINUTE)`)} GROUP BY window_start, window_end`,
    duckdb: `SELECT epoch_ms(e) AS e, count(*) AS n FROM (SELECT *, unnest(generate_series(${tumble} + ${minute}, ms // ${3 * minute} * ${3 * minute} + ${3 * minute}, ${minute})) AS e FROM requests) GROUP BY e`,
  },
  sessions: {
    sql: "SELECT SESSION_START(ts, INTERVAL '30' SECOND) AS s, ip, COUNT(*) AS n FROM requests GROUP BY ip, SESSION(ts, INTERVAL '30' SECOND)",
    duckdb: `WITH marked AS (SELECT *, CASE WHEN ms - lag(ms) OVER (PARTITION BY ip ORDER BY ms) <= 30000 THEN 0 ELSE 1 END AS begins FROM requests),
      islands AS (SELECT *, sum(begins) OVER (PARTITION BY ip ORDER BY ms ROWS UNBOUNDED PRECEDING) AS island FROM marked)
      SELECT epoch_ms(min(ms)) AS s, ip, count(*) AS n FROM islands GROUP BY ip, island`,
  },
  'the share of a window': {
    sql: `SELECT window_start AS w, ip, SUM(bytes) / SUM(SUM(bytes)) OVER (PARTITION BY window_start, window_end) AS share ${tumbled} GROUP BY window_start, window_end, ip`,
    duckdb: `SELECT epoch_ms(${tumble}) AS w, ip, sum(bytes) / sum(sum(bytes)) OVER (PARTITION BY ${tumble}) AS share FROM requests GROUP BY ${tumble}, ip`,
  },
  'shares of some groups': {
    sql: `SELECT w, ip, share * 100 AS percent FROM (SELECT window_start AS w, ip, COUNT(*) AS n, SUM(bytes) / SUM(SUM(bytes)) OVER (PARTITION BY window_start, window_end) AS share ${tumbled} GROUP BY window_start, window_end, ip) WHERE n > 1 AND share < 0.5`,
    duckdb: `SELECT epoch_ms(w) AS w, ip, share * 100 AS percent FROM (SELECT ${tumble} AS w, ip, count(*) AS n, sum(bytes) / sum(sum(bytes)) OVER (PARTITION BY ${tumble}) AS share FROM requests GROUP BY ${tumble}, ip) WHERE n > 1 AND share < 0.5`,
  },
  'shares of all records, of some groups': {
    sql: `SELECT window_start AS w, ip, SUM(bytes) / (SELECT SUM(bytes) FROM requests) AS share ${tumbled} GROUP BY window_start, window_end, ip HAVING COUNT(*) > 1`,
    duckdb: `SELECT epoch_ms(w) AS w, ip, share FROM (SELECT ${tumble} AS w, ip, count(*) AS n, sum(bytes) / sum(sum(bytes)) OVER (PARTITION BY ${tumble}) AS share FROM requests GROUP BY ${tumble}, ip) WHERE n > 1`,
  },
  'the greatest shares of a window': {
    sql: `SELECT ip, share, rownum FROM (SELECT ip, SUM(bytes - 9) / SUM(SUM(bytes - 9)) OVER (PARTITION BY window_start, window_end) AS share, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY share DESC, ip) AS rownum ${tumbled} GROUP BY window_start, window_end, ip) WHERE rownum <= 2`,
    duckdb: `SELECT ip, share, rownum FROM (SELECT *, row_number() OVER (PARTITION BY w ORDER BY share DESC NULLS LAST, ip) AS rownum FROM (SELECT *, b / nullif(sum(b) OVER (PARTITION BY w), 0) AS share FROM (SELECT ${tumble} AS w, ip, sum(bytes - 9) AS b FROM requests GROUP BY ${tumble}, ip))) WHERE rownum <= 2`,
  },
  'the greatest shares of a window, numbered around the groups': {
    sql: `SELECT who, share, rownum FROM (SELECT ip AS who, share, ROW_NUMBER() OVER (PARTITION BY w, e ORDER BY g.share DESC, ip) AS rownum FROM (SELECT window_start AS w, window_end AS e, ip, SUM(bytes - 9) / SUM(SUM(bytes - 9)) OVER (PARTITION BY window_start, window_end) AS share ${tumbled} GROUP BY window_start, window_end, 3) AS g) WHERE rownum <= 2`,
    duckdb: `SELECT ip AS who, share, rownum FROM (SELECT *, row_number() OVER (PARTITION BY w ORDER BY share DESC NULLS LAST, ip) AS rownum FROM (SELECT *, b / nullif(sum(b) OVER (PARTITION BY w), 0) AS share FROM (SELECT ${tumble} AS w, ip, sum(bytes - 9) AS b FROM requests GROUP BY ${tumble}, ip))) WHERE rownum <= 2`,
  },
  'shares of those with the least, with ties': {
    sql: `SELECT ip, n, of_all, most, r FROM (SELECT ip, COUNT(*) AS n, COUNT(*) / SUM(COUNT(*)) OVER (PARTITION BY window_start, window_end) AS of_all, MAX(MAX(bytes)) OVER (PARTITION BY window_start, window_end) AS most, RANK() OVER (PARTITION BY window_start, window_end ORDER BY COUNT(*)) AS r ${tumbled} GROUP BY window_start, window_end, ip) WHERE r <= 2`,
    duckdb: `SELECT ip, n, of_all, most, r FROM (SELECT *, rank() OVER (PARTITION BY w ORDER BY n) AS r, n / sum(n) OVER (PARTITION BY w) AS of_all, max(m) OVER (PARTITION BY w) AS most FROM (SELECT ${tumble} AS w, ip, count(*) AS n, max(bytes) AS m FROM requests GROUP BY ${tumble}, ip)) WHERE r <= 2`,
  },
  'groups of groups': {
    sql: `SELECT window_start AS w, MAX(bytes) AS most, COUNT(*) AS ips FROM (${windowed}) GROUP BY window_start, window_end`,
    duckdb: `SELECT epoch_ms(w) AS w, max(bytes) AS most, count(*) AS ips FROM (SELECT ${tumble} AS w, ip, sum(bytes) AS bytes FROM requests GROUP BY ${tumble}, ip) GROUP BY w`,
  },
  'windows of windows, of which the former are columns': {
    sql: `WITH q AS (SELECT window_start AS s, window_end AS e, window_time AS t, ip, COUNT(*) AS n ${tumbled} GROUP BY window_start, window_end, window_time, ip) SELECT window_end AS w, e, SUM(n) AS n, MAX(s) AS last FROM TABLE(HOP(TABLE q, DESCRIPTOR(t), INTERVAL '2' MINUTE, INTERVAL '4' MINUTE)) GROUP BY window_start, window_end, e`,
    duckdb: `SELECT epoch_ms(w + ${4 * minute}) AS w, epoch_ms(m + ${minute}) AS e, sum(n) AS n, epoch_ms(max(m)) AS last FROM (SELECT *, unnest([m // ${2 * minute} * ${2 * minute} - ${2 * minute}, m // ${2 * minute} * ${2 * minute}]) AS w FROM (SELECT ip, ${tumble} AS m, count(*) AS n FROM requests GROUP BY 1, 2)) GROUP BY w, m`,
  },
  'windows of windows, in GROUP BY': {
    sql: `SELECT e, TUMBLE_END(t, INTERVAL '5' MINUTE) AS w, SUM(n) AS n FROM (SELECT TUMBLE_END(ts, ${minutes}) AS e, TUMBLE_ROWTIME(ts, ${minutes}) AS t, ip, COUNT(*) AS n FROM requests GROUP BY ip, TUMBLE(ts, ${minutes})) GROUP BY e, TUMBLE(t, INTERVAL '5' MINUTE)`,
    duckdb: `SELECT epoch_ms(${tumble} + ${minute}) AS e, epoch_ms(ms // ${5 * minute} * ${5 * minute} + ${5 * minute}) AS w, count(*) AS n FROM requests GROUP BY ${tumble}, ms // ${5 * minute}`,
  },
  'the first rows of a window': {
    sql: `SELECT ip, w, rownum FROM (SELECT ip, window_start AS w, window_end, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY bytes DESC, ip) AS rownum FROM (${windowed})) WHERE rownum <= 2`,
    duckdb: `SELECT ip, epoch_ms(w) AS w, rownum FROM (SELECT *, row_number() OVER (PARTITION BY w ORDER BY bytes DESC NULLS LAST, ip) AS rownum FROM (SELECT ${tumble} AS w, ip, sum(bytes) AS bytes FROM requests GROUP BY ${tumble}, ip)) WHERE rownum <= 2`,
  },
  'ranks with ties': {
    sql: 'SELECT ip, id, r FROM (SELECT ip, id, RANK() OVER (PARTITION BY ip ORDER BY bytes ASC) AS r FROM requests) WHERE r <= 3',
    duckdb:
      'SELECT ip, id, r FROM (SELECT ip, id, rank() OVER (PARTITION BY ip ORDER BY bytes ASC NULLS LAST) AS r FROM requests) WHERE r <= 3',
  },
  'dense ranks of records of a window': {
    sql: `SELECT id, r FROM (SELECT id, DENSE_RANK() OVER (PARTITION BY window_start, window_end ORDER BY status DESC) AS r ${tumbled}) WHERE r = 2`,
    duckdb: `SELECT id, r FROM (SELECT id, dense_rank() OVER (PARTITION BY ${tumble} ORDER BY status DESC) AS r FROM requests) WHERE r = 2`,
  },
  'a join near in time': {
    sql: "SELECT a.id AS a, b.id AS b FROM requests a JOIN requests b ON a.ip = b.ip AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '20' SECOND WHERE a.status <> b.status",
    duckdb:
      'SELECT a.id AS a, b.id AS b FROM requests a JOIN requests b ON a.ip = b.ip AND b.ms BETWEEN a.ms AND a.ms + 20000 WHERE a.status <> b.status',
  },
  'a join of which only one bound is a number': {
    sql: "SELECT a.id AS a, b.id AS b FROM requests a JOIN requests b ON a.ip = b.ip AND b.ts > a.ts AND b.ts <= a.ts + INTERVAL '1' SECOND * a.bytes",
    duckdb:
      'SELECT a.id AS a, b.id AS b FROM requests a JOIN requests b ON a.ip = b.ip AND b.ms > a.ms AND b.ms <= a.ms + a.bytes * 1000',
  },
  'a left join near in time': {
    sql: "SELECT a.id AS a, b.id AS b, COALESCE(b.path, 'none') AS p FROM requests a LEFT JOIN requests b ON a.bytes = b.bytes AND b.status = 404 AND b.ts > a.ts - INTERVAL '30' SECOND AND b.ts < a.ts",
    duckdb:
      "SELECT a.id AS a, b.id AS b, coalesce(b.path, 'none') AS p FROM requests a LEFT JOIN requests b ON a.bytes = b.bytes AND b.status = 404 AND b.ms > a.ms - 30000 AND b.ms < a.ms",
  },
  'a full join near in time': {
    sql: "SELECT a.id AS a, b.id AS b FROM (SELECT * FROM requests WHERE status = 200) a FULL JOIN (SELECT * FROM requests WHERE status = 404) b ON a.ip = b.ip AND a.ts <= b.ts AND b.ts <= a.ts + INTERVAL '20' SECOND",
    duckdb:
      'SELECT a.id AS a, b.id AS b FROM (SELECT * FROM requests WHERE status = 200) a FULL JOIN (SELECT * FROM requests WHERE status = 404) b ON a.ip = b.ip AND a.ms <= b.ms AND b.ms <= a.ms + 20000',
  },
  'a join over all time, in WHERE': {
    sql: 'SELECT a.id AS a, b.id AS b FROM requests a, requests b WHERE a.path = b.path AND a.status = 404 AND b.status = 500',
    duckdb:
      'SELECT a.id AS a, b.id AS b FROM requests a, requests b WHERE a.path = b.path AND a.status = 404 AND b.status = 500',
  },
  'a join of windows': {
    sql: `SELECT l.ip AS ip, l.window_start AS w, l.id AS a, r.id AS b FROM (SELECT * ${tumbled}) l JOIN (SELECT * ${tumbled}) r ON l.ip = r.ip AND l.window_start = r.window_start AND l.window_end = r.window_end WHERE r.status = 404`,
    duckdb: `SELECT a.ip AS ip, epoch_ms(a.${tumble}) AS w, a.id AS a, b.id AS b FROM requests a JOIN requests b ON a.ip = b.ip AND a.${tumble} = b.${tumble} WHERE b.status = 404`,
  },
  'a join of windows, near in time': {
    sql: `SELECT l.window_start AS w, l.id AS a, r.id AS b FROM (SELECT * ${tumbled}) l LEFT JOIN (SELECT * ${tumbled}) r ON l.ip = r.ip AND l.window_start = r.window_start AND l.window_end = r.window_end AND r.ts > l.ts AND r.ts <= l.ts + INTERVAL '10' SECOND`,
    duckdb: `SELECT epoch_ms(a.${tumble}) AS w, a.id AS a, b.id AS b FROM requests a LEFT JOIN requests b ON a.ip = b.ip AND a.${tumble} = b.${tumble} AND b.ms > a.ms AND b.ms <= a.ms + 10000`,
  },
  'a join of groups of one window': {
    sql: `WITH ok AS (SELECT window_start, window_end, ip, COUNT(*) AS n ${tumbled} WHERE status = 200 GROUP BY window_start, window_end, ip),
      bad AS (SELECT window_start, window_end, ip, COUNT(*) AS n ${tumbled} WHERE status <> 200 GROUP BY window_start, window_end, ip)
      SELECT ok.window_start AS w, ok.ip AS ip, ok.n AS good, bad.n AS bad FROM ok LEFT JOIN bad ON ok.ip = bad.ip AND ok.window_start = bad.window_start AND ok.window_end = bad.window_end`,
    duckdb: `WITH ok AS (SELECT ${tumble} AS w, ip, count(*) AS n FROM requests WHERE status = 200 GROUP BY 1, 2), bad AS (SELECT ${tumble} AS w, ip, count(*) AS n FROM requests WHERE status <> 200 GROUP BY 1, 2)
      SELECT epoch_ms(ok.w) AS w, ok.ip AS ip, ok.n AS good, bad.n AS bad FROM ok LEFT JOIN bad ON ok.ip = bad.ip AND ok.w = bad.w`,
  },
  'groups of a join': {
    sql: "SELECT a.path AS path, COUNT(*) AS n FROM requests a JOIN requests b ON a.ip = b.ip AND b.ts BETWEEN a.ts - INTERVAL '10' SECOND AND a.ts GROUP BY a.path",
    duckdb:
      'SELECT a.path AS path, count(*) AS n FROM requests a JOIN requests b ON a.ip = b.ip AND b.ms BETWEEN a.ms - 10000 AND a.ms GROUP BY a.path',
  },
  'several queries put together': {
    sql: "WITH small AS (SELECT id, bytes FROM requests WHERE bytes < 4) SELECT id, bytes, 'small' AS kind FROM small UNION ALL SELECT id, bytes * 2, 'large' FROM requests WHERE bytes > 8",
    duckdb:
      "WITH small AS (SELECT id, bytes FROM requests WHERE bytes < 4) SELECT id, bytes, 'small' AS kind FROM small UNION ALL SELECT id, bytes * 2, 'large' FROM requests WHERE bytes > 8",
  },
  'groups of queries put together': {
    sql: `SELECT TUMBLE_START(ts, ${minutes}) AS w, COUNT(*) AS n FROM (SELECT ts FROM requests WHERE status = 200 UNION ALL SELECT ts FROM requests WHERE bytes > 5) GROUP BY TUMBLE(ts, ${minutes})`,
    duckdb: `SELECT epoch_ms(${tumble}) AS w, count(*) AS n FROM (SELECT ms FROM requests WHERE status = 200 UNION ALL SELECT ms FROM requests WHERE bytes > 5) GROUP BY ${tumble}`,
  },
  'groups of groups that change, with conditions between': {
    sql: 'SELECT status, COUNT(*) AS n, COUNT(mean) AS known, SUM(mean) AS total, AVG(total * 2) AS twice, SUM(total) FILTER (WHERE n > 1) AS some FROM (SELECT ip, status, COUNT(*) AS n, AVG(bytes) AS mean, SUM(bytes) AS total FROM requests GROUP BY ip, status HAVING COUNT(*) < 6) WHERE total IS NULL OR total <> 7 GROUP BY status HAVING COUNT(*) > 1',
    duckdb:
      'SELECT status, COUNT(*) AS n, COUNT(mean) AS known, SUM(mean) AS total, AVG(total * 2) AS twice, SUM(total) FILTER (WHERE n > 1) AS some FROM (SELECT ip, status, COUNT(*) AS n, AVG(bytes) AS mean, SUM(bytes) AS total FROM requests GROUP BY ip, status HAVING COUNT(*) < 6) WHERE total IS NULL OR total <> 7 GROUP BY status HAVING COUNT(*) > 1',
  },
  'how many groups have so many records': {
    sql: 'SELECT n, COUNT(*) AS groups, SUM(bytes) AS bytes FROM (SELECT ip, path, COUNT(*) AS n, MAX(bytes) AS bytes FROM requests GROUP BY ip, path) GROUP BY n',
    duckdb:
      'SELECT n, COUNT(*) AS groups, SUM(bytes) AS bytes FROM (SELECT ip, path, COUNT(*) AS n, MAX(bytes) AS bytes FROM requests GROUP BY ip, path) GROUP BY n',
  },
  'groups by what may be NULL and changes': {
    sql: 'SELECT low % 3 AS rest, AVG(n) AS mean FROM (SELECT ip, status, MIN(bytes) AS low, COUNT(*) AS n FROM requests GROUP BY ip, status) GROUP BY low % 3',
    duckdb:
      'SELECT low % 3 AS rest, AVG(n) AS mean FROM (SELECT ip, status, MIN(bytes) AS low, COUNT(*) AS n FROM requests GROUP BY ip, status) GROUP BY low % 3',
  },
  'all groups that change': {
    sql: 'SELECT COUNT(*) AS n, SUM(bytes) AS bytes, AVG(n) + 1 AS mean FROM (SELECT ip, COUNT(*) AS n, SUM(bytes) AS bytes FROM requests WHERE status = 500 GROUP BY ip HAVING COUNT(*) = 1)',
    duckdb:
      'SELECT COUNT(*) AS n, SUM(bytes) AS bytes, AVG(n) + 1 AS mean FROM (SELECT ip, COUNT(*) AS n, SUM(bytes) AS bytes FROM requests WHERE status = 500 GROUP BY ip HAVING COUNT(*) = 1)',
  },
  'different values, counted': {
    sql: 'SELECT ip, COUNT(*) AS kinds FROM (SELECT DISTINCT ip, status FROM requests) GROUP BY ip',
    duckdb: 'SELECT ip, COUNT(*) AS kinds FROM (SELECT DISTINCT ip, status FROM requests) GROUP BY ip',
  },
  'different rows of rows that change': {
    sql: 'SELECT DISTINCT n FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip)',
    duckdb: 'SELECT DISTINCT n FROM (SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip)',
  },
  'groups of groups of groups': {
    sql: 'SELECT most, COUNT(*) AS n, SUM(kinds) AS kinds FROM (SELECT ip, COUNT(*) AS kinds, SUM(n) / 2 AS most FROM (SELECT ip, status, COUNT(*) AS n FROM requests GROUP BY ip, status) WHERE n < 4 GROUP BY ip) GROUP BY most',
    duckdb:
      'SELECT most, COUNT(*) AS n, SUM(kinds) AS kinds FROM (SELECT ip, COUNT(*) AS kinds, SUM(n) / 2 AS most FROM (SELECT ip, status, COUNT(*) AS n FROM requests GROUP BY ip, status) WHERE n < 4 GROUP BY ip) GROUP BY most',
  },
  'groups of a query around rows that change': {
    sql: 'SELECT p, SUM(twice) AS total FROM (SELECT UPPER(ip) AS p, n * 2 AS twice FROM (SELECT ip, path, COUNT(*) AS n FROM requests GROUP BY ip, path) WHERE n < 5) WHERE twice <> 4 GROUP BY p',
    duckdb:
      'SELECT p, SUM(twice) AS total FROM (SELECT UPPER(ip) AS p, n * 2 AS twice FROM (SELECT ip, path, COUNT(*) AS n FROM requests GROUP BY ip, path) WHERE n < 5) WHERE twice <> 4 GROUP BY p',
  },
  'groups of first rows': {
    sql: 'SELECT status, COUNT(*) AS n, AVG(bytes) AS mean FROM (SELECT ip, status, bytes FROM (SELECT ip, status, bytes, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY bytes DESC, id) AS r FROM requests) WHERE r <= 2) GROUP BY status',
    duckdb:
      'SELECT status, count(*) AS n, avg(bytes) AS mean FROM (SELECT ip, status, bytes, row_number() OVER (PARTITION BY ip ORDER BY bytes DESC NULLS LAST, id) AS r FROM requests) WHERE r <= 2 GROUP BY status',
  },
  'groups of groups of a join, between times of one side': {
    sql: 'SELECT status, AVG(most) AS mean FROM (SELECT MAX(b.bytes) AS most, a.id, a.status FROM requests a, requests b WHERE a.ip = b.ip AND EPOCH_MS(b.ts) BETWEEN EPOCH_MS(a.ts) AND EPOCH_MS(a.ts) + a.bytes * 5000 GROUP BY a.id, a.status) GROUP BY status',
    duckdb:
      'SELECT status, AVG(most) AS mean FROM (SELECT MAX(b.bytes) AS most, a.id, a.status FROM requests a, requests b WHERE a.ip = b.ip AND b.ms BETWEEN a.ms AND a.ms + a.bytes * 5000 GROUP BY a.id, a.status) GROUP BY status',
  },
  // DuckDB 1.5 takes two joins that are alike for one, with their sides exchanged, so it is asked for the total in other words.
  'a total over a join, of a column that it alone reads': {
    sql: "SELECT a.ip, COUNT(*) AS n, (SELECT SUM(b.status) FROM requests a JOIN requests b ON a.ip = b.ip AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' MINUTE) AS total FROM requests a JOIN requests b ON a.ip = b.ip AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' MINUTE GROUP BY a.ip",
    duckdb:
      'SELECT a.ip, COUNT(*) AS n, (SELECT SUM(y.status) FROM requests x, requests y WHERE x.ip = y.ip AND y.ms - x.ms BETWEEN 0 AND 60000) AS total FROM requests a JOIN requests b ON a.ip = b.ip AND b.ms BETWEEN a.ms AND a.ms + 60000 GROUP BY a.ip',
  },
  'a total over a join with conditions on both sides of its own': {
    sql: "SELECT a.ip, COUNT(*) AS n, (SELECT COUNT(*) FROM requests a JOIN requests b ON a.ip = b.ip AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' MINUTE AND a.bytes < b.status WHERE b.bytes > 3) AS total FROM requests a JOIN requests b ON a.ip = b.ip AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' MINUTE WHERE b.bytes > 3 AND a.id <> b.id GROUP BY a.ip",
    duckdb:
      'SELECT a.ip, COUNT(*) AS n, (SELECT COUNT(*) FROM requests x, requests y WHERE x.ip = y.ip AND y.ms - x.ms BETWEEN 0 AND 60000 AND x.bytes < y.status AND y.bytes > 3) AS total FROM requests a JOIN requests b ON a.ip = b.ip AND b.ms BETWEEN a.ms AND a.ms + 60000 WHERE b.bytes > 3 AND a.id <> b.id GROUP BY a.ip',
  },
  'a column named like a change': {
    sql: 'SELECT change, COUNT(*) AS n, SUM("Change_2") AS total FROM (SELECT status AS change, ip, COUNT(*) AS "Change_2" FROM requests GROUP BY status, ip) GROUP BY change',
    duckdb:
      'SELECT change, COUNT(*) AS n, SUM("Change_2") AS total FROM (SELECT status AS change, ip, COUNT(*) AS "Change_2" FROM requests GROUP BY status, ip) GROUP BY change',
  },
  'the least and the greatest by another column': {
    sql: 'SELECT ip, ARG_MAX(id, status * 1000 + id) AS top, FIRST_VALUE(id) AS earliest FROM (SELECT * FROM requests) GROUP BY ip',
    duckdb:
      'SELECT ip, arg_max(id, status * 1000 + id) AS top, arg_min(id, ms * 1000 + id) AS earliest FROM requests GROUP BY ip',
  },
};

const table = `CREATE TABLE requests (id INT NOT NULL, ip STRING NOT NULL, path STRING, status INT, bytes BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' DAY) WITH ('connector' = 'kinesis');`;
const start = Date.UTC(2026, 10, 21, 9);

const records = fc
  .array(
    fc.record({
      ip: fc.constantFrom('a', 'b', 'c'),
      path: fc.option(fc.constantFrom('/a', '/ab', '/b', 'ü')),
      status: fc.constantFrom(200, 200, 404, 500),
      bytes: fc.option(fc.integer({ min: 0, max: 12 })),
      offset: fc.integer({ min: 0, max: 400_000 }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((found) => found.map(({ offset, ...record }, id) => ({ id, ...record, ms: start + offset })));

function normalised(value: unknown): unknown {
  if (typeof value === 'number') return Number(value.toPrecision(9)) + 0;
  // Nothing divided by nothing has no value here, and JSON no number for it.
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return null;
  if (typeof value !== 'string') return value;
  if (/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d/.test(value))
    return Date.parse(`${value.replace(' ', 'T').replace(/Z$/, '')}Z`);
  return /^-?\d+(\.\d+)?$/.test(value) ? Number(Number(value).toPrecision(9)) : value;
}

/** Rows without an order, each with its columns in the order in which they were selected. */
function texts(rows: readonly (PrintedRow | Readonly<Record<string, unknown>>)[]): readonly string[] {
  const hidden = new Set(['view', 'final', 'windowStart', 'windowEnd']);
  return rows
    .map((row) =>
      JSON.stringify(
        Object.entries(row).flatMap(([name, value]) => (hidden.has(name) ? [] : [[name, normalised(value)]])),
      ),
    )
    .sort();
}

const fuzzed = { numRuns: Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 15) };

describe('queries agree with DuckDB', () => {
  for (const [name, { sql, duckdb }] of Object.entries(queries)) {
    test(name, { timeout: fuzzTimeoutMs }, async () => {
      await fc.assert(
        fc.asyncProperty(records, async (made) => {
          const own = runSql(table + sql, { requests: made.map(({ ms, ...record }) => ({ ...record, ts: ms })) });
          const theirs = await askDuckDb(
            duckdb,
            tableOf(
              'requests',
              { id: 'INTEGER', ip: 'VARCHAR', path: 'VARCHAR', status: 'INTEGER', bytes: 'BIGINT', ms: 'BIGINT' },
              made,
            ),
          );
          expect(texts(own)).toEqual(texts(theirs));
        }),
        fuzzed,
      );
    });
  }
});
