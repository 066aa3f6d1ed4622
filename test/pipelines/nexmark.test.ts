import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, test } from 'vitest';
import type { Event } from '#pipelines/nexmark/events.ts';
import { nexmark } from '#pipelines/nexmark/index.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { findPipeline } from '#shared/runtime/settings.ts';
import { sqlPipelines } from '#shared/runtime/sql-files.ts';
import { testDriver } from '#shared/testing/index.ts';
import { nexmarkLines } from '#shared/testing/nexmark.ts';

// The queries of Nexmark, each in the SQL of a database that knows nothing of streams. It is given the events with the watermark that stood before
// each; which of them are late then is a condition like others: [start, end) has closed when the watermark has reached its end.

type Row = Readonly<Record<string, unknown>>;

const outOfOrdernessMs = 4_000;
const windowMs = 10_000;

/** What the queries see of the events in the order in which they came. */
const tables = `
  CREATE TABLE persons AS SELECT n, w, unnest(e.person) FROM events WHERE e.event_type = 0;
  CREATE TABLE auctions AS SELECT n, w, unnest(e.auction) FROM events WHERE e.event_type = 1;
  CREATE TABLE bids AS SELECT n, w, unnest(e.bid) FROM events WHERE e.event_type = 2;
  CREATE MACRO tumble(t) AS t // ${windowMs} * ${windowMs};
  -- The part of a query that a window is: its start, unless it has closed.
  CREATE MACRO is_open(start, w) AS w < start + ${windowMs};
`;

const queries: Readonly<Record<string, string>> = {
  q0: 'SELECT auction, bidder, price, channel, url, dateTime, extra FROM bids',
  q1: 'SELECT auction, bidder, (price * 0.908::DECIMAL(4, 3))::DOUBLE AS price, dateTime, extra FROM bids',
  q2: 'SELECT auction, price FROM bids WHERE auction % 123 = 0',
  q3: `SELECT p.name, p.city, p.state, a.id FROM auctions a JOIN persons p ON a.seller = p.id
       WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')`,
  q4: `SELECT category AS id, floor(avg(highest))::BIGINT AS "final" FROM (
         SELECT a.id, a.category, max(b.price) AS highest FROM auctions a JOIN bids b ON a.id = b.auction
         WHERE b.dateTime BETWEEN a.dateTime AND a.expires GROUP BY ALL)
       GROUP BY ALL`,
  q5: `WITH counted AS (
         SELECT start, auction, count(*) AS num
         FROM bids, LATERAL (SELECT dateTime // 2000 * 2000 - 2000 * i AS start FROM range(5) AS r(i))
         WHERE is_open(start, w) GROUP BY ALL)
       SELECT start, auction, num FROM counted QUALIFY num = max(num) OVER (PARTITION BY start)`,
  q7: `SELECT tumble(dateTime) AS start, auction, bidder, price, dateTime, extra FROM bids WHERE is_open(tumble(dateTime), w)
       QUALIFY price = max(price) OVER (PARTITION BY tumble(dateTime))`,
  q8: `SELECT DISTINCT p.id, p.name, tumble(p.dateTime) AS start FROM persons p
       JOIN auctions a ON a.seller = p.id AND tumble(a.dateTime) = tumble(p.dateTime)
       WHERE is_open(tumble(p.dateTime), p.w) AND is_open(tumble(a.dateTime), a.w)`,
  q12: `SELECT tumble(dateTime) AS start, bidder, count(*) AS bid_count, sum(price) AS sum_price FROM bids
        WHERE is_open(tumble(dateTime), w) GROUP BY ALL`,
};

/** A session is closed by what came before, so which bids are in one is told by going through them; DuckDB folds what it holds. */
const sessions = `SELECT min(dateTime) AS start, bidder, count(*) AS bid_count FROM bids JOIN sessions USING (n) GROUP BY bidder, session`;

interface Placed {
  readonly event: Event;
  /** The watermark before it. */
  readonly watermarkMs: number;
}

function placed(lines: readonly string[]): readonly Placed[] {
  let newestMs = Number.NEGATIVE_INFINITY;
  return lines.map((line) => {
    const event = JSON.parse(line) as Event;
    const watermarkMs = newestMs - outOfOrdernessMs;
    newestMs = Math.max(newestMs, timeOf(event));
    return { event, watermarkMs };
  });
}

function timeOf({ person, auction, bid }: Event): number {
  return (person ?? auction ?? bid)?.dateTime as number;
}

/** The session of each bid that is not late, by the bid's number: a record joins what it touches and is open, and is late when that has closed. */
function sessionsOf(events: readonly Placed[]): ReadonlyMap<number, number> {
  const open = new Map<number, { readonly numbers: number[]; startMs: number; endMs: number }[]>();
  const found = new Map<number, number>();
  let watermarkMs = Number.NEGATIVE_INFINITY;
  const isClosed = (endMs: number): boolean => watermarkMs > endMs;
  for (const [number, { event, watermarkMs: before }] of events.entries()) {
    watermarkMs = before;
    if (event.event_type !== 2 || !event.bid) continue;
    const { bidder, dateTime } = event.bid;
    const mine = (open.get(bidder) ?? []).filter(({ endMs }) => !isClosed(endMs));
    const touched = mine.filter(({ startMs, endMs }) => dateTime + windowMs >= startMs && dateTime <= endMs);
    const merged = {
      numbers: [...touched.flatMap(({ numbers }) => numbers), number],
      startMs: Math.min(dateTime, ...touched.map(({ startMs }) => startMs)),
      endMs: Math.max(dateTime + windowMs, ...touched.map(({ endMs }) => endMs)),
    };
    if (isClosed(merged.endMs)) continue;
    open.set(bidder, [...mine.filter((session) => !touched.includes(session)), merged]);
    for (const one of merged.numbers) found.set(one, merged.numbers[0] as number);
  }
  return found;
}

/** What DuckDB makes of the events, by query; rows as sorted texts. */
async function expected(events: readonly Placed[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const connection = await (await DuckDBInstance.create()).connect();
  await connection.run('CREATE TABLE lines (n INTEGER, w DOUBLE, line VARCHAR)');
  const appender = await connection.createAppender('lines');
  for (const [number, { event, watermarkMs }] of events.entries()) {
    appender.appendInteger(number);
    appender.appendDouble(watermarkMs);
    appender.appendVarchar(JSON.stringify(event));
    appender.endRow();
  }
  appender.closeSync();
  await connection.run(`CREATE TABLE events AS SELECT n, w, from_json(line, '${shape}') AS e FROM lines`);
  await connection.run(tables);
  await connection.run('CREATE TABLE sessions (n INTEGER, session INTEGER)');
  const rows = [...sessionsOf(events)].map(([number, session]) => `(${number}, ${session})`);
  if (rows.length > 0) await connection.run(`INSERT INTO sessions VALUES ${rows.join(', ')}`);
  const results = new Map<string, readonly string[]>();
  for (const [name, query] of Object.entries({ ...queries, q11: sessions })) {
    const found = (await connection.runAndReadAll(query)).getRowObjectsJS() as readonly Row[];
    results.set(name, textsOf(found));
  }
  return results;
}

const person = {
  id: 'BIGINT',
  name: 'VARCHAR',
  city: 'VARCHAR',
  state: 'VARCHAR',
  dateTime: 'BIGINT',
};
const auction = {
  id: 'BIGINT',
  dateTime: 'BIGINT',
  expires: 'BIGINT',
  seller: 'BIGINT',
  category: 'BIGINT',
};
const bid = {
  auction: 'BIGINT',
  bidder: 'BIGINT',
  price: 'BIGINT',
  channel: 'VARCHAR',
  url: 'VARCHAR',
  dateTime: 'BIGINT',
  extra: 'VARCHAR',
};
const shape = JSON.stringify({ event_type: 'INTEGER', person, auction, bid });

/** Rows in one form: numbers as numbers, names sorted, and nothing that only our rows have. */
function textsOf(rows: readonly Row[]): readonly string[] {
  return rows
    .map((row) =>
      JSON.stringify(
        Object.entries(row)
          .filter(
            ([name, value]) =>
              !['view', 'windowEnd'].includes(name) && (name !== 'final' || typeof value !== 'boolean'),
          )
          .map(([name, value]) => [
            name === 'windowStart' ? 'start' : name,
            name === 'windowStart'
              ? Number(new Date(value as string))
              : typeof value === 'bigint'
                ? Number(value)
                : value,
          ])
          .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1)),
      ),
    )
    .sort();
}

/** The same pipeline in fewer slots, which are looked after sooner. */
function withSlots(pipeline: Pipeline, slots: number): Pipeline {
  return { ...pipeline, plan: { ...pipeline.plan, slots } };
}

function rowsOf(pipeline: Pipeline, lines: readonly string[]): readonly Row[] {
  const run = createBoundedRun(pipeline);
  for (const line of lines) run.takeLine('events', line);
  return [...run.finish()];
}

function nameOf({ id }: Pipeline): string {
  return id.replace('nexmark-', '').replace('sql-', '');
}

function inSql(query: Pipeline): Pipeline {
  return findPipeline(sqlPipelines(), `nexmark/sql/${nameOf(query)}`);
}

describe('the queries of Nexmark agree with DuckDB', () => {
  test.each([
    { seed: 1, count: 8_000, late: 0, rate: 100 },
    { seed: 2, count: 8_000, late: 0.05, rate: 100 },
    { seed: 3, count: 8_000, late: 0.3, rate: 100 },
    { seed: 4, count: 2_000, late: 0.1, rate: 10 },
    { seed: 5, count: 20_000, late: 0.02, rate: 1_000 },
    { seed: 6, count: 51, late: 0.5, rate: 1 },
    { seed: 7, count: 1, late: 0, rate: 1 },
  ])('on the generator’s events: $count of them, seed $seed, share of late ones $late', async (options) => {
    const lines = [...nexmarkLines(options)];
    const right = await expected(placed(lines));
    for (const query of nexmark) {
      const run = createBoundedRun(query);
      for (const line of lines) run.takeLine('events', line);
      const rows = textsOf([...run.finish()]);
      expect.soft(rows, query.id).toEqual(right.get(nameOf(query)) ?? []);
      // The same in SQL.
      expect.soft(textsOf(rowsOf(inSql(query), lines)), `${query.id} in SQL`).toEqual(rows);
      const { sent, counted, filtered, late, rejected } = run.counts();
      expect([sent, rejected]).toEqual([options.count, 0]);
      expect(counted + filtered + late).toBe(sent);
    }
  });

  test('and so do all stages as they are deployed, on memory', async () => {
    const options = { seed: 8, count: 150, late: 0.1, rate: 10 };
    const lines = [...nexmarkLines(options)];
    const right = await expected(placed(lines));
    for (const query of [...nexmark, ...nexmark.map(inSql)]) {
      const driver = testDriver(withSlots(query, 2));
      await driver.send('events', lines);
      await driver.close();
      const rows = textsOf(await driver.read(nameOf(query)));
      expect.soft(rows, query.id).toEqual(right.get(nameOf(query)) ?? []);
    }
  });
});

test('an event without what its type names is rejected, and one with more than that is not', () => {
  const q0 = nexmark.find(({ id }) => id === 'nexmark-q0') as Pipeline;
  const bid = { auction: 1, bidder: 2, price: 3, dateTime: 4 };
  const run = createBoundedRun(q0);
  const fates = [
    { event_type: 2 },
    { event_type: 3, bid },
    { event_type: 2, bid: { ...bid, price: 'much' } },
    { event_type: 2, bid, person: null, auction: null },
    { event_type: 0, bid },
  ].map((event) => run.takeValue('events', event).rejection?.reason);
  expect(fates).toEqual(['invalid', 'invalid', 'invalid', undefined, 'invalid']);
  expect([...run.finish()]).toEqual([{ view: 'q0', final: true, ...bid }]);
});
