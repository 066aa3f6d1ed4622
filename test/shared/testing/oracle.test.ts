import { expect, test } from 'vitest';
import * as z from 'zod';
import {
  type AnyOutput,
  count,
  dynamodb,
  hours,
  type Pipeline,
  pipeline,
  rate,
  ratio,
  seconds,
  session,
  shareOfTotal,
  sliding,
  stream,
  sum,
  tumbling,
} from '#shared/pipeline/index.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { type OracleRecord, oracle } from '#shared/testing/oracle.ts';

const source = stream('clicks', {
  schema: z.object({ at: z.number(), user: z.string(), bytes: z.number() }),
  timestamp: (click) => click.at * 1_000,
  outOfOrderness: seconds(0),
});
const byUser = source.keyBy((click) => ({ user: click.user }));
const bytes = sum((click: { readonly bytes: number }) => click.bytes);
const sink = dynamodb({ ttl: hours(1) });

function pipelineOf(...outputs: readonly AnyOutput[]): Pipeline {
  return pipeline('clicks', outputs);
}

function recordsOf(...lines: readonly string[]): readonly OracleRecord[] {
  return lines.map((data, index) => ({ source: 'clicks', origin: 'shard', sequence: String(index + 1), data }));
}

function click(at: number, user = 'ann', size = 1): string {
  return JSON.stringify({ at, user, bytes: size });
}

/** `user start-end columns`, in seconds. */
function summaryOf({ rows }: ReturnType<typeof oracle>): readonly string[] {
  return rows.map(({ view: _, windowStart, windowEnd, final, user, ...columns }) => {
    expect(final).toBe(true);
    return `${user} ${Date.parse(String(windowStart)) / 1_000}-${Date.parse(String(windowEnd)) / 1_000} ${JSON.stringify(columns)}`;
  });
}

const perTenSeconds = byUser
  .window(tumbling(seconds(10)), { allowedLateness: seconds(0) })
  .aggregate('ten', { clicks: count() })
  .to(sink);
const visits = byUser
  .window(session({ gap: seconds(10) }), { allowedLateness: seconds(0) })
  .aggregate('visits', { clicks: count() })
  .to(sink);

test('no records give no rows', () => {
  const none = { sent: 0, counted: 0, filtered: 0, late: 0, rejected: 0 };
  expect(oracle(pipelineOf(perTenSeconds), [])).toMatchObject({ rows: [], numbers: none });
});

test('a record at the window end belongs to the next window, before 1970 too', () => {
  const result = oracle(
    pipelineOf(perTenSeconds),
    recordsOf(click(0), click(9.999), click(10), click(-0.001), click(-10)),
  );
  expect(summaryOf(result)).toEqual(['ann -10-0 {"clicks":2}', 'ann 0-10 {"clicks":2}', 'ann 10-20 {"clicks":1}']);
});

test('a record is in every sliding window that holds it', () => {
  //  [-5----10)
  //       [5-----20)       t = 7; the slide does not divide the size
  const step = byUser.window(sliding(seconds(15), { every: seconds(10) }), { allowedLateness: seconds(0) });
  const result = oracle(
    pipelineOf(step.aggregate('sliding', { clicks: count() }).to(sink)),
    recordsOf(click(7), click(12)),
  );
  expect(summaryOf(result)).toEqual(['ann 0-15 {"clicks":2}', 'ann 10-25 {"clicks":1}']);
});

test('records exactly the gap apart are one session, and one millisecond more are two', () => {
  expect(summaryOf(oracle(pipelineOf(visits), recordsOf(click(0), click(10))))).toEqual(['ann 0-20 {"clicks":2}']);
  expect(summaryOf(oracle(pipelineOf(visits), recordsOf(click(0), click(10.001))))).toEqual([
    'ann 0-10 {"clicks":1}',
    'ann 10.001-20.001 {"clicks":1}',
  ]);
});

test('a record bridges two sessions, in whatever order they come', () => {
  expect(summaryOf(oracle(pipelineOf(visits), recordsOf(click(0), click(18), click(9), click(3, 'bob'))))).toEqual([
    'ann 0-28 {"clicks":3}',
    'bob 3-13 {"clicks":1}',
  ]);
});

test('a session without lateness waits for the record at its very end', () => {
  // bob moves the watermark to the end of the session of ann, who comes back at that very time.
  const lines = [click(18), click(28, 'bob'), click(28)];
  const run = createBoundedRun(pipelineOf(visits));
  for (const line of lines) run.takeLine('clicks', line);
  expect([...run.finish()]).toEqual(oracle(pipelineOf(visits), recordsOf(...lines)).rows);
});

test('shares are of the window over all keys, ratios of the row, rates of the second', () => {
  const step = byUser.window(tumbling(seconds(10)), { allowedLateness: seconds(0) });
  const output = step
    .aggregate('shares', { clicks: count(), bytes })
    .derive({ share: shareOfTotal('bytes'), mean: ratio('bytes', 'clicks'), speed: rate('bytes') })
    .to(sink);
  const result = oracle(pipelineOf(output), recordsOf(click(1, 'ann', 10), click(2, 'bob', 30), click(11, 'bob', 0)));
  expect(summaryOf(result)).toEqual([
    'ann 0-10 {"clicks":1,"bytes":10,"share":0.25,"mean":10,"speed":1}',
    'bob 0-10 {"clicks":1,"bytes":30,"share":0.75,"mean":30,"speed":3}',
    'bob 10-20 {"clicks":1,"bytes":0,"share":0,"mean":0,"speed":0}',
  ]);
});

test('what is divided by nothing has no value, as in a run', () => {
  const step = byUser.window(tumbling(seconds(10)), { allowedLateness: seconds(0) });
  const output = step
    .aggregate('each', { clicks: count(), bytes })
    .derive({ each: ratio('clicks', 'bytes') })
    .to(sink);
  const run = createBoundedRun(pipelineOf(output));
  run.takeLine('clicks', click(1, 'ann', 0));
  const { rows } = oracle(pipelineOf(output), recordsOf(click(1, 'ann', 0)));
  expect(rows).toMatchObject([{ clicks: 1, bytes: 0, each: null }]);
  expect([...run.finish()]).toEqual(rows);
});

test('every record is counted, filtered or rejected, line by line', () => {
  const kept = source.filter((one) => {
    if (one.user === 'eve') throw new Error('no');
    return one.bytes > 0;
  });
  const step = kept.keyBy((one) => ({ user: one.user })).window(tumbling(seconds(10)), { allowedLateness: seconds(0) });
  const lines = [`${click(1)}\r\n\n${click(2, 'bob', 0)}\n`, '{', '{"at":1}', click(3, 'eve')];
  const records: OracleRecord[] = [
    ...recordsOf(...lines),
    { source: 'clicks', origin: 'shard', sequence: '9', data: new Uint8Array([0xff]) },
    { source: 'clicks', origin: 'shard', sequence: '10', data: click(4), killed: true },
  ];
  const { numbers, rows } = oracle(pipelineOf(step.aggregate('kept', { clicks: count() }).to(sink)), records);
  expect(numbers).toEqual({ sent: 7, counted: 1, filtered: 1, late: 0, rejected: 5 });
  expect(rows).toHaveLength(1);
});

test('a record on which a schema of Zod throws is rejected, as in a run', () => {
  const links = stream('clicks', {
    schema: z.object({ at: z.number(), link: z.string().transform((text) => new URL(text).host) }),
    timestamp: (one) => one.at,
    outOfOrderness: seconds(0),
  });
  const output = links
    .keyBy((one) => ({ user: one.link }))
    .window(tumbling(seconds(10)), { allowedLateness: seconds(0) })
    .aggregate('links', { clicks: count() })
    .to(sink);
  const lines = ['{"at":1,"link":"no address"}', '{"at":2,"link":"http://ann/"}'];
  const run = createBoundedRun(pipelineOf(output));
  for (const line of lines) run.takeLine('clicks', line);
  const result = oracle(pipelineOf(output), recordsOf(...lines));
  expect(result).toMatchObject({ rows: [...run.finish()], numbers: { sent: 2, counted: 1, rejected: 1 } });
  expect(run.counts()).toMatchObject({ sent: 2, counted: 1, rejected: 1 });
});

test('a record whose key has a column of its rows is rejected, as in a run', () => {
  const output = source
    .keyBy((one): Record<string, string> => ({ [one.user]: 'x' }))
    .window(tumbling(seconds(10)), { allowedLateness: seconds(0) })
    .aggregate('ten', { clicks: count() })
    .derive({ speed: rate('clicks') })
    .to(sink);
  const lines = ['view', 'clicks', 'speed', 'ann'].map((user) => click(1, user));
  const run = createBoundedRun(pipelineOf(output));
  for (const line of lines) run.takeLine('clicks', line);
  const result = oracle(pipelineOf(output), recordsOf(...lines));
  expect(result).toMatchObject({ rows: [...run.finish()], numbers: { sent: 4, counted: 1, rejected: 3 } });
  expect(result.rows).toMatchObject([{ view: 'ten', ann: 'x', clicks: 1 }]);
});

test('what a verdict calls late is in no row, and is late only if every step says so', () => {
  const two = pipelineOf(perTenSeconds, visits);
  const records = recordsOf(click(1), click(2));
  const id = 'clicks/shard/1/0';
  const other = 'clicks/shard/2/0';
  const cells = new Map([
    ['ten', [{ key: 'user=ann', startMs: 0, endMs: 10_000, outputIds: [other] }]],
    ['visits', [{ key: 'user=ann', startMs: 1_000, endMs: 12_000, outputIds: [id, other] }]],
  ]);
  const onlyOne = oracle(two, records, { late: new Map([['ten', new Set([id])]]), cells });
  expect(onlyOne.numbers).toMatchObject({ counted: 2, late: 0 });
  expect(onlyOne.rows.map((row) => row['clicks'])).toEqual([1, 2]);
  const both = oracle(two, records, {
    late: new Map([
      ['ten', new Set([id])],
      ['visits', new Set([id])],
    ]),
    cells,
  });
  expect(both.numbers).toMatchObject({ counted: 1, late: 1 });
});

test('rows are sorted by view as defined, then window start, then key', () => {
  const { rows } = oracle(pipelineOf(perTenSeconds), recordsOf(click(11, 'b'), click(1, 'b'), click(11, 'a')));
  expect(rows.map((row) => `${row.windowStart} ${String(row['user'])}`)).toEqual([
    '1970-01-01T00:00:00.000Z b',
    '1970-01-01T00:00:10.000Z a',
    '1970-01-01T00:00:10.000Z b',
  ]);
});
