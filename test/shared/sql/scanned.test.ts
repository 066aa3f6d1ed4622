import { describe, expect, test } from 'vitest';
import { sqlPipelines } from '#shared/runtime/sql-files.ts';
import { sqlPipeline } from '#shared/sql/index.ts';
import { nexmarkLines } from '#shared/testing/nexmark.ts';
import { createRandom, type Random } from '#shared/testing/random.ts';
import { neededBy, runBytes, runLines, runParsed, spoiled } from '../engine/scanned-runs.ts';

const nexmark = sqlPipelines().filter(({ id }) => id.startsWith('nexmark-'));

const table = `CREATE TABLE requests (
  ip STRING NOT NULL,
  path STRING,
  agent STRING,
  status INT NOT NULL,
  bytes DOUBLE,
  price DECIMAL(9, 2),
  tags ARRAY<STRING>,
  geo ROW<country STRING, city STRING>,
  at BIGINT NOT NULL,
  ts AS TO_TIMESTAMP_LTZ(at, 3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector' = 'kinesis', 'format' = 'json');
`;

/** Each with the columns that it needs. */
const queries: readonly (readonly [query: string, needed: string])[] = [
  ["SELECT ip, COUNT(*) AS n FROM requests GROUP BY ip, TUMBLE(ts, INTERVAL '10' SECOND)", 'at ip'],
  [
    "SELECT tags[1] AS tag, COUNT(*) AS n FROM requests WHERE CARDINALITY(tags) > 0 GROUP BY tags[1], TUMBLE(ts, INTERVAL '10' SECOND)",
    'at tags',
  ],
  [
    "SELECT COALESCE(path, agent) AS page, SUM(bytes) AS bytes FROM requests WHERE status < 400 GROUP BY COALESCE(path, agent), TUMBLE(ts, INTERVAL '10' SECOND)",
    'agent at bytes path status',
  ],
  [
    "SELECT country, COUNT(DISTINCT ip) AS ips FROM (SELECT geo.country AS country, geo.city AS city, ip, agent, ts FROM requests) GROUP BY country, TUMBLE(ts, INTERVAL '10' SECOND)",
    'at geo.country ip',
  ],
  [
    "SELECT ip, UPPER(path) AS path, CASE WHEN status IN (200, 204) THEN price ELSE NULL END AS price FROM requests WHERE agent LIKE 'a%'",
    'agent at ip path price status',
  ],
  // What fails for one record rejects it, whoever reads the column behind it.
  [
    "SELECT ip, COUNT(*) AS n FROM (SELECT ip, CAST(path AS INT) AS number, agent, ts FROM requests) GROUP BY ip, TUMBLE(ts, INTERVAL '10' SECOND)",
    'at ip path',
  ],
  [
    "SELECT window_start, MAX(bytes) FILTER (WHERE status = 200) AS most FROM TABLE(TUMBLE(TABLE requests, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
    'at bytes status',
  ],
  ['SELECT * FROM requests', 'agent at bytes geo ip path price status tags'],
];

describe.each(queries)('%s', (query, needed) => {
  const pipeline = sqlPipeline(`${table}${query};`, { id: 'scanned', view: 'rows', path: 'scanned.sql' });

  test('needs the columns that it names', () => {
    expect(neededBy(pipeline)).toBe(needed);
  });

  test('has the same rows and rejections as over whole records', () => {
    const random = createRandom(3, 'requests');
    const lines = Array.from({ length: 1_500 }, (_, at) => requestLine(random, at));
    const expected = runParsed(pipeline, 'requests', lines);
    expect(expected.rows.length).toBeGreaterThan(5);
    expect(expected.rejections.length).toBeGreaterThan(20);
    expect(runBytes(pipeline, 'requests', lines)).toEqual(expected);
    expect(runLines(pipeline, 'requests', lines)).toEqual(expected);
  });
});

test.each(nexmark.map((query) => [query.id, query] as const))('%s is the same over whole records', (_, query) => {
  const random = createRandom(9, 'events');
  const lines = [...nexmarkLines({ count: 3_000, seed: 3 })].map((line) =>
    random.chance(0.02) ? spoiled(random, line) : line,
  );
  expect(runBytes(query, 'events', lines)).toEqual(runParsed(query, 'events', lines));
});

test('the queries of Nexmark read the same fields in SQL as in TypeScript', () => {
  const needs = nexmark.map((query) => [query.id.split('-').at(-1), neededBy(query)]);
  expect(Object.fromEntries(needs)).toMatchObject({
    q2: 'auction.dateTime bid.auction bid.dateTime bid.price event_type person.dateTime',
    q4: 'auction.category auction.dateTime auction.expires auction.id bid.auction bid.dateTime bid.price event_type person.dateTime',
    q5: 'auction.dateTime bid.auction bid.dateTime event_type person.dateTime',
    q12: 'auction.dateTime bid.bidder bid.dateTime bid.price event_type person.dateTime',
  });
});

function requestLine(random: Random, at: number): string {
  const request = {
    ip: `10.0.0.${random.below(5)}`,
    ...(random.chance(0.9) ? { path: random.pick(['/a', '1', '2', null]) } : {}),
    agent: random.pick(['a', 'b', `a${random.below(1e6)}`]),
    status: random.pick([200, 204, 404]),
    ...(random.chance(0.9) ? { bytes: random.pick([random.below(1e6), -0.5, null]) } : {}),
    price: random.pick([1.005, '2.345', null]),
    tags: random.pick([[], ['x', 'y'], null]),
    geo: random.pick([{ country: 'NL', city: 'x' }, { country: null }, null]),
    at: 1_767_225_600_000 + at * 100 - random.below(2_000),
  };
  const line = JSON.stringify(request);
  return random.chance(0.05) ? spoiled(random, line) : line;
}
