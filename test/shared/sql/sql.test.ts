import { expect, test } from 'vitest';
import * as z from 'zod';
import {
  boolean,
  count,
  days,
  dynamodb,
  integer,
  list,
  minutes,
  nullable,
  oneOf,
  optional,
  pipeline,
  record,
  seconds,
  stream,
  string,
  timestamp,
  tumbling,
} from '#shared/pipeline/index.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { sql, sqlQuery } from '#shared/sql/index.ts';
import { columnsOf } from './run-sql.ts';

const request = z.object({
  ip: z.string(),
  at: z.iso.datetime(),
  status: z.number().int(),
  bytes: z.number().nullable(),
});
const requests = stream('requests', { schema: request, timestamp: (r) => new Date(r.at), outOfOrderness: minutes(1) });
const sink = dynamodb({ ttl: days(7) });
const records = [
  { ip: 'a', at: '2026-11-21T09:00:01Z', status: 200, bytes: 10 },
  { ip: 'b', at: '2026-11-21T09:00:02Z', status: 404, bytes: null },
  { ip: 'a', at: '2026-11-21T09:01:03Z', status: 200, bytes: 30 },
];

function rowsOf(...outputs: Parameters<typeof pipeline>[1]): readonly Readonly<Record<string, unknown>>[] {
  const run = createBoundedRun(pipeline('p', outputs));
  for (const record of records) expect(run.takeValue('requests', record).rejection).toBeUndefined();
  return columnsOf([...run.finish()]);
}

test('a query over a stream of TypeScript is a branch of a pipeline', () => {
  const byIp = sql<{ ip: string; bytes: number | null }>('by-ip')`
    SELECT ip, SUM(bytes) AS bytes FROM ${requests} GROUP BY ip, TUMBLE(at, INTERVAL '1' MINUTE)`.to(sink);
  expect(rowsOf(byIp)).toEqual([
    { ip: 'a', bytes: 10 },
    { ip: 'b', bytes: null },
    { ip: 'a', bytes: 30 },
  ]);
});

test('a stream with a schema of our own has its columns and their types', () => {
  const schema = record({
    at: timestamp(),
    ip: string(),
    bytes: nullable(integer()),
    way: oneOf('get', 'put'),
    cached: optional(boolean()),
    tags: list(string()),
    user: record({ id: integer() }),
  });
  const own = stream('requests', { schema, timestamp: (r) => r.at, outOfOrderness: minutes(1) });
  const runOf = (...outputs: Parameters<typeof pipeline>[1]) => {
    const run = createBoundedRun(pipeline('p', outputs));
    for (const { at, ip, bytes } of records) {
      const value = { at, ip, bytes, way: 'get', tags: ['a', ip], user: { id: 7 } };
      expect(run.takeValue('requests', value).rejection).toBeUndefined();
    }
    return columnsOf([...run.finish()]);
  };
  expect(runOf(sql('all')`SELECT * FROM ${own} WHERE bytes = 30`.to(sink))).toEqual([
    { at: '2026-11-21T09:01:03.000Z', ip: 'a', bytes: 30, way: 'get', cached: null, tags: ['a', 'a'], user: { id: 7 } },
  ]);
  const sums = sql('sums')`
    SELECT ip, SUM(bytes) AS bytes, MAX(HOUR(at)) AS hour, MAX(UPPER(tags[2])) AS tag, SUM(user.id) AS ids
    FROM ${own} GROUP BY ip, TUMBLE(at, INTERVAL '5' MINUTE)`.to(sink);
  expect(runOf(sums)).toEqual([
    { ip: 'a', bytes: 40, hour: 9, tag: 'A', ids: 14 },
    { ip: 'b', bytes: null, hour: 9, tag: 'B', ids: 7 },
  ]);
  expect(() => sql('x')`SELECT ipp FROM ${own}`).toThrow('there is no column ipp. Did you mean ip?');
  expect(() => sql('x')`SELECT UPPER(bytes) FROM ${own}`).toThrow('expected a text in UPPER(text), and found BIGINT');
});

test('a stream whose schema holds itself, or whose objects hold each other, has columns', () => {
  const deep = Array.from({ length: 40 }).reduce<z.ZodType>(
    (inner) => z.object({ name: z.string(), left: inner, right: inner }),
    z.string(),
  );
  const tree = z.object({
    ip: z.string(),
    at: z.string(),
    bytes: z.number().nullable(),
    deep: deep.optional(),
    get part() {
      return tree.optional();
    },
  });
  const trees = stream('requests', { schema: tree, timestamp: (r) => new Date(r.at), outOfOrderness: minutes(1) });
  expect(rowsOf(sql('parts')`SELECT ip, part.part.bytes AS bytes FROM ${trees} WHERE bytes = 30`.to(sink))).toEqual([
    { ip: 'a', bytes: null },
  ]);
  expect(() => sql('x')`SELECT deep.left.nme FROM ${trees}`).toThrow('there is no field nme. Did you mean name?');
});

test('values in the template are literals, whatever they hold', () => {
  const found = sql('found')`SELECT bytes FROM ${requests} WHERE ip = ${"a' OR TRUE --"} OR bytes > ${20}`.to(sink);
  expect(rowsOf(found)).toEqual([{ bytes: 30 }]);
});

test('a negative value begins no comment, and times are values too', () => {
  const above = (bytes: number) =>
    sql('above')`SELECT bytes FROM ${requests} WHERE bytes > ${bytes} -${-5}
      AND ROUND(bytes, ${-1}) > ${-0}`.to(sink);
  expect(rowsOf(above(20))).toEqual([{ bytes: 30 }]);
  expect(rowsOf(above(26))).toEqual([]);
  const since = sql(
    'since',
  )`SELECT bytes FROM ${requests} WHERE CAST(at AS TIMESTAMP) >= ${new Date('2026-11-21T09:00:02Z')}`;
  expect(rowsOf(since.to(sink))).toEqual([{ bytes: null }, { bytes: 30 }]);
  const keyed = requests.keyBy((one) => ({ ip: one.ip }));
  for (const value of [Number.NaN, undefined, new Date(Number.NaN), keyed, {}] as never[])
    expect(() => sql('x')`SELECT ip FROM ${requests} WHERE bytes > ${value}`).toThrow('SQL_INVALID: the template has');
});

test('its rows are a stream again', () => {
  const ok = sqlQuery<{ ip: string }>('ok', { requests }, 'SELECT ip FROM requests WHERE status = 200').asStream();
  const counted = ok
    .keyBy((row) => ({ ip: row.ip }))
    .window(tumbling(minutes(5)), { allowedLateness: seconds(0) })
    .aggregate('counted', { n: count() })
    .to(sink);
  expect(rowsOf(counted)).toEqual([{ ip: 'a', n: 2 }]);
});

test('behind a map a column has any type, and a value of another one than is needed is rejected with its record', () => {
  const mapped = requests.map((r) => ({ who: r.ip, size: r.bytes ?? 'none' }));
  const doubled = sqlQuery('doubled', { mapped }, 'SELECT who, size * 2 AS size FROM mapped').to(sink);
  const run = createBoundedRun(pipeline('p', [doubled]));
  const rejections = records.map((record) => run.takeValue('requests', record).rejection?.message);
  expect(rejections).toEqual([
    undefined,
    expect.stringContaining('expected a number in size, and found "none"'),
    undefined,
  ]);
  expect(columnsOf([...run.finish()])).toEqual([
    { who: 'a', size: 20 },
    { who: 'a', size: 60 },
  ]);
});

test('columns and the event time are those of the schema', () => {
  expect(() => sql('x')`SELECT ipp FROM ${requests}`).toThrow('there is no column ipp. Did you mean ip?');
  expect(() => sql('x')`SELECT UPPER(status) FROM ${requests}`).toThrow(
    'expected a text in UPPER(text), and found BIGINT',
  );
  expect(() => sql('x')`SELECT COUNT(*) FROM ${requests} GROUP BY TUMBLE(bytes, INTERVAL '1' MINUTE)`).toThrow(
    'windows are made by the event time, which bytes is not. That is at.',
  );
});
