import { describe, expect, test } from 'vitest';
import { createReadApi } from '#functions/read-api.ts';
import { createMemoryResultStore } from '#shared/adapters/memory/result-store.ts';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import { count, ratio, seconds, shareOfTotal, sum, tumbling } from '#shared/pipeline/index.ts';
import { createReader } from '#shared/runtime/read.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { pipelineOf, type Reading, readings, sink } from '../shared/readings.ts';

const byKey = readings()
  .keyBy((reading) => ({ key: reading.key, amount: reading.amount }))
  .window(tumbling(seconds(10)), { allowedLateness: seconds(0) })
  .aggregate('by-key', {
    requests: count((reading: Reading) => reading.at > 0),
    bytes: sum((reading) => reading.amount),
  })
  .derive({ share: shareOfTotal('bytes'), each: ratio('bytes', 'requests') })
  .to(sink);
const testPipeline = pipelineOf([byKey]);

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** An API over two windows with a few rows. */
async function get(path: string): Promise<Answer> {
  const results = createMemoryResultStore();
  const state = createMemoryStateStore();
  await results.writeRows([
    rowOf({ key: 'amount:n=1&key=a', startMs: 0, requests: 1, bytes: 2 }),
    rowOf({ key: 'amount:n=1&key=b', startMs: 0, requests: 5, bytes: 6 }),
    rowOf({ key: 'amount:n=1&key=a', startMs: 10_000, requests: 7, bytes: 0 }),
    rowOf({ key: 'amount:n=2&key=a', startMs: 10_000, requests: 9, bytes: 1 }),
    rowOf({ key: 'amount:n=3&key=a', startMs: 10_000, requests: 8, bytes: 2 }),
  ]);
  const api = createReadApi(testPipeline, createReader({ pipeline: testPipeline, state, results }));
  const response = await api.request(path);
  return { status: response.status, body: await response.json() };
}

function rowOf({
  key,
  startMs,
  ...columns
}: { readonly key: string; readonly startMs: number } & Record<string, unknown>) {
  return {
    view: 'by-key',
    key,
    windowStartMs: startMs,
    windowEndMs: startMs + 10_000,
    final: true,
    position: logPosition(1, '1'),
    columns,
    expiresMs: 0,
  };
}

/** The column `requests` of each row. */
async function requestsOf(query: string): Promise<readonly unknown[]> {
  const { status, body } = await get(`/views/by-key${query}`);
  expect([status, body]).toEqual([200, expect.any(Array)]);
  return (body as readonly { readonly requests: number }[]).map((row) => row.requests);
}

describe('the routes', () => {
  test('/ names the others', async () => {
    expect(await get('/')).toEqual({
      status: 200,
      body: { pipeline: 'test', paths: ['/views', '/counts', '/progress', '/health'] },
    });
  });

  test('/health says which plan answers', async () => {
    expect((await get('/health')).body).toEqual({ status: 'ok', pipeline: 'test', planHash: testPipeline.planHash });
  });

  test('/views describes the views', async () => {
    expect((await get('/views')).body).toEqual([
      {
        view: 'by-key',
        window: { kind: 'tumbling', sizeMs: 10_000 },
        placement: 'lambda',
        columns: ['requests', 'bytes'],
        derived: ['share', 'each'],
      },
    ]);
  });

  test('/views describes views that have no windows', async () => {
    const keyed = readings().keyBy((reading) => ({ key: reading.key }));
    const options = { within: [seconds(0), seconds(1)], allowedLateness: seconds(0) } as const;
    const pipeline = pipelineOf([
      keyed
        .dedupe('firsts', { columns: { amount: (one) => one.amount }, within: seconds(3), allowedLateness: seconds(0) })
        .to(sink),
      keyed.join(keyed, options).select('pairs', { left: {}, right: {} }).to(sink),
    ]);
    const stores = { state: createMemoryStateStore(), results: createMemoryResultStore() };
    const response = await createReadApi(pipeline, createReader({ pipeline, ...stores })).request('/views');
    expect(await response.json()).toEqual([
      {
        view: 'firsts',
        process: { kind: 'dedupe', withinMs: 3_000, ttlMs: 3_000 },
        placement: 'fargate',
        columns: ['time', 'amount'],
        derived: [],
      },
      {
        view: 'pairs',
        join: { kind: 'inner', lowerMs: 0, upperMs: 1_000 },
        placement: 'fargate',
        columns: ['leftTime', 'rightTime'],
        derived: [],
      },
    ]);
  });

  test('/counts answers zeros while nothing was counted', async () => {
    expect((await get('/counts')).body).toEqual({
      sent: 0,
      counted: 0,
      filtered: 0,
      late: 0,
      rejected: 0,
      duplicates: 0,
      waiting: 0,
      steps: {},
    });
  });

  test('/progress answers null while nothing was seen', async () => {
    expect((await get('/progress')).body).toEqual([
      { source: 'readings', stage: 'aggregate', watermarkMs: null, slots: 0 },
    ]);
  });

  test('an unknown path is a 404 that names the way', async () => {
    expect(await get('/view')).toEqual({
      status: 404,
      body: { error: 'NOT_FOUND', message: 'there is no /view; see /' },
    });
  });

  test('an unknown view is a 404 that lists the views', async () => {
    expect(await get('/views/by-kee')).toEqual({
      status: 404,
      body: { error: 'VIEW_UNKNOWN', message: 'VIEW_UNKNOWN: pipeline test has no view by-kee; it has by-key.' },
    });
  });
});

describe('/views/:view', () => {
  test.each([
    ['gives the newest window', '', [7, 9, 8]],
    ['gives the largest rows by the first column', '?top=2', [9, 8]],
    ['gives the largest rows by a column', '?top=2&by=bytes', [8, 9]],
    ['gives all windows of one key', '?key.key=a&key.amount:n=1', [1, 7]],
    ['gives nothing for a key that has no rows', '?key.key=z&key.amount:n=1', []],
    ['tells a text from a number', '?key.key=a&key.amount=1', []],
    ['starts at from', '?from=10000', [7, 9, 8]],
    ['ends before to', '?to=10000', [1, 5]],
    ['reads milliseconds', '?from=0&to=1', [1, 5]],
    ['reads ISO 8601', '?from=1970-01-01T00:00:10Z&to=1970-01-01T00:00:20.000Z', [7, 9, 8]],
    ['reads a day', '?from=1970-01-01&to=1970-01-02', [1, 5, 7, 9, 8]],
    ['reads an offset', '?from=1970-01-01T01:00:10%2B01:00', [7, 9, 8]],
    ['reads times before 1970', '?from=-1000&to=1', [1, 5]],
    ['gives nothing for an empty range', '?from=5&to=5', []],
  ])('%s', async (_, query, expected) => {
    expect(await requestsOf(query)).toEqual(expected);
  });

  test('gives the rows with a value before those without one', async () => {
    // each = bytes / requests; a row whose count is 0 has none.
    const results = createMemoryResultStore();
    await results.writeRows([
      rowOf({ key: 'key=a', startMs: 0, requests: 1, bytes: -1 }),
      rowOf({ key: 'key=b', startMs: 0, requests: 0, bytes: 1 }),
      rowOf({ key: 'key=c', startMs: 0, requests: 1, bytes: 3 }),
    ]);
    const reader = createReader({ pipeline: testPipeline, state: createMemoryStateStore(), results });
    const rows = await reader.rows({ view: 'by-key', top: 3, by: 'each' });
    expect(rows.map((row) => [row['key'], row['each']])).toEqual([
      ['c', 3],
      ['a', -1],
      ['b', null],
    ]);
  });
});

describe('a wrong parameter is a 400 that says what to do', () => {
  test.each([
    ['an unknown parameter', '?form=1', /parameter form is not known; use key\.<column>, from, to, top, by/],
    ['a time that is none', '?from=yesterday', /from is "yesterday"; use ISO 8601/],
    ['an empty time', '?to=', /to is ""; use ISO 8601/],
    ['words that Date takes for a time', '?from=yesterday%201', /from is "yesterday 1"; use ISO 8601/],
    ['a month alone, which is another time on every machine', '?from=2015/05', /from is "2015\/05"; use ISO 8601/],
    [
      'a local time, which is another time on every machine',
      '?from=2015-05-17T10:00',
      /from is "2015-05-17T10:00"; use ISO/,
    ],
    ['a time that no integer holds', '?from=99999999999999999999', /from is "9+"; use ISO 8601/],
    ['a fraction of a millisecond', '?from=1.5', /from is "1.5"; use ISO 8601/],
    ['a range that ends before it begins', '?from=10&to=9', /from .* is after to/],
    ['a top of 0', '?top=0', /top is "0"; it must be a whole number above 0/],
    ['a negative top', '?top=-1', /top is "-1"; it must be/],
    ['a fraction of a row', '?top=1.5', /top is "1.5"; it must be/],
    ['a top that is no number', '?top=ten', /top is "ten"; it must be/],
    ['an empty top', '?top=', /top is ""; it must be/],
    ['a top of another base', '?top=0x10', /top is "0x10"; it must be/],
    ['a column that is not there', '?top=1&by=bites', /no column bites; it has requests, bytes, share, each/],
    ['by without top', '?by=bytes', /by needs top/],
    ['a key column that is no number', '?key.amount:n=abc', /key\.amount:n is "abc".*number/],
    ['a key column that is an empty number', '?key.amount:n=', /key\.amount:n is "".*number/],
    ['a key column that is an infinite number', '?key.amount:n=1e999', /key\.amount:n is "1e999".*number/],
    ['a key column that is neither true nor false', '?key.ok:b=yes', /key\.ok:b is "yes".*true or false/],
    ['a key column of an unknown type', '?key.amount:x=1', /key\.amount:x/],
    ['a key column without a name', '?key.=1', /key column "" is not a name/],
    ['a key column with a name that cannot be', '?key.a-b=1', /key column "a-b" is not a name/],
    [
      'a part of a key',
      '?key.key=a',
      /the keys of view by-key have the columns amount:n, key; key\.amount:n is missing/,
    ],
    ['a part of a key, in some windows', '?key.amount:n=1&from=0&to=1', /; key\.key is missing/],
    ['a key column that is not there', '?key.key=a&key.amount:n=1&key.tag=x', /; key\.tag is none of them/],
    ['a misspelt key column', '?key.kye=a&key.amount:n=1', /; key\.key is missing, key\.kye is none of them/],
    ['a key that is too long', `?key.key=${'x'.repeat(2_000)}`, /the key has \d+ bytes/],
    ['a key column that is given twice', '?key.key=a&key.key=b', /key\.key is given 2 times/],
    ['a key column that is given as a text and as a number', '?key.key=1&key.key:n=1', /key column key is given twice/],
    ['a parameter that is given twice', '?top=1&top=2', /top is given 2 times/],
  ])('%s', async (_, query, message) => {
    expect(await get(`/views/by-key${query}`)).toEqual({
      status: 400,
      body: { error: 'QUERY_INVALID', message: expect.stringMatching(message) },
    });
  });

  test.each(['/views', '/counts', '/progress'])('a parameter of %s, which takes none', async (path) => {
    expect(await get(`${path}?top=5`)).toEqual({
      status: 400,
      body: { error: 'QUERY_INVALID', message: `QUERY_INVALID: parameter top is not known; ${path} takes none.` },
    });
  });

  test('also when the view is unknown', async () => {
    expect((await get('/views/nothing?top=x')).status).toBe(400);
  });
});

test('rows that Lambda could not answer with are refused, as a body that it could is not', async () => {
  const state = createMemoryStateStore();
  const results = createMemoryResultStore();
  const letters = 'x'.repeat(1_000);
  await results.writeRows(
    Array.from({ length: 6_000 }, (_, at) =>
      rowOf({ key: `amount:n=${at}&key=${letters}`, startMs: 0, requests: at, bytes: 0 }),
    ),
  );
  const api = createReadApi(testPipeline, createReader({ pipeline: testPipeline, state, results }));
  const refused = await api.request('/views/by-key');
  expect([refused.status, await refused.json()]).toEqual([
    400,
    {
      error: 'QUERY_INVALID',
      message: expect.stringMatching(
        /gives 6000 rows of \d{7} bytes.*narrow it with a key, a shorter time range or top/,
      ),
    },
  ]);
  const narrowed = await api.request('/views/by-key?top=4000');
  expect([narrowed.status, narrowed.headers.get('content-type')]).toEqual([200, 'application/json']);
  expect(await narrowed.json()).toHaveLength(4_000);
});

test('an error of the store is a 500 with its code', async () => {
  const state = createMemoryStateStore();
  const results = createMemoryResultStore();
  const broken = {
    ...results,
    newestWindow: () => Promise.reject(Object.assign(new Error('gone'), { code: 'STORE_UNAVAILABLE' })),
  };
  const api = createReadApi(testPipeline, createReader({ pipeline: testPipeline, state, results: broken }));
  const response = await api.request('/views/by-key');
  expect([response.status, await response.json()]).toEqual([500, { error: 'STORE_UNAVAILABLE', message: 'gone' }]);
});
