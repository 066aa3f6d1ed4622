import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import {
  count,
  csv,
  dynamodb,
  hours,
  kinesis,
  lookupTable,
  milliseconds,
  minutes,
  type Pipeline,
  type Placement,
  pipeline,
  s3,
  seconds,
  session,
  shareOfTotal,
  stream,
  sum,
  tumbling,
  union,
} from '#shared/pipeline/index.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { testDriver } from '#shared/testing/index.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { amounts, pipelineOf, type Reading, readings } from '../readings.ts';

const sink = dynamodb({ ttl: hours(1) });
const clicks = stream('clicks', {
  schema: z.object({ at: z.number(), user: z.string(), bytes: z.number() }),
  timestamp: (click) => click.at,
  outOfOrderness: seconds(1),
  idleAfter: minutes(1),
});
const byUser = clicks.keyBy((click) => ({ user: click.user }));
const perMinute = byUser
  .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
  .aggregate('per-minute', { clicks: count(), bytes: sum((click) => click.bytes) })
  .derive({ share: shareOfTotal('bytes') })
  .to(sink);
const site = pipeline('site', [perMinute], { slots: 2 });

const click = (at: number, user = 'ann', bytes = 1) => ({ at, user, bytes });

test.each(['lambda', 'fargate'] as const)(
  'a window over two streams, on %s, is open until both have passed it',
  async (placement) => {
    const taps = stream('taps', {
      schema: z.object({ at: z.number(), user: z.string(), bytes: z.number() }),
      timestamp: (tap) => tap.at,
      outOfOrderness: seconds(0),
    });
    const both = union(clicks, taps)
      .keyBy(({ user }) => ({ user }))
      .window(tumbling(minutes(1)), { allowedLateness: seconds(0), placement })
      .aggregate('both', { bytes: sum(({ bytes }) => bytes) })
      .to(sink);
    const driver = testDriver(pipeline('both', [both], { slots: 1 }));
    await driver.send(taps, [click(0)]);
    // The first stream is far ahead of the second.
    await driver.send(clicks, [click(120_000)]);
    for (const at of [1_000, 2_000]) {
      await driver.send(taps, [click(at)]);
      expect((await driver.read('both')).map(({ final }) => final)).not.toContain(true);
    }
    await driver.close();
    expect((await driver.read('both')).map(({ bytes }) => bytes)).toEqual([3, 1]);
    expect(await driver.counts()).toMatchObject({ sent: 4, counted: 4, late: 0 });
  },
);

test('rows have the types of the pipeline, and are final at the end', async () => {
  const driver = testDriver(site);
  await driver.send(clicks, [click(0), click(1_000, 'bob', 3)]);
  await driver.advance(seconds(5));
  expect((await driver.read('per-minute')).map((row) => row.final)).toEqual([false, false]);
  await driver.close();
  const rows = await driver.read('per-minute');
  expectTypeOf(rows[0]?.bytes).toEqualTypeOf<number | undefined>();
  expectTypeOf(rows[0]?.windowStart).toEqualTypeOf<Date | undefined>();
  expectTypeOf(rows[0]?.share).toEqualTypeOf<number | null | undefined>();
  const window = { windowStart: new Date(0), windowEnd: new Date(60_000), final: true };
  expect(rows).toEqual([
    { ...window, user: 'ann', clicks: 1, bytes: 1, share: 0.25 },
    { ...window, user: 'bob', clicks: 1, bytes: 3, share: 0.75 },
  ]);
  expect(await driver.read('per-minute', { key: { user: 'bob' } })).toEqual(rows.slice(1));
  expect(await driver.read('per-minute', { from: new Date(1) })).toEqual([]);
});

test('with all the slots of a pipeline as it is, a worker reads them all', async () => {
  const visits = byUser
    .window(session({ gap: minutes(1) }), { allowedLateness: seconds(0) })
    .aggregate('visits', { clicks: count() })
    .to(sink);
  const driver = testDriver(pipeline('visits', [perMinute, visits]));
  for (let turn = 0; turn < 3; turn += 1) {
    await driver.send(clicks, [click(turn * 1_000, 'ann'), click(turn * 1_000, 'bob')]);
    await driver.read('visits');
  }
  await driver.close();
  const rows = await driver.read('visits');
  expect(rows.map(({ user, clicks: n }) => [user, n])).toEqual([
    ['ann', 3],
    ['bob', 3],
  ]);
});

test('slots decide about no row, and are a power of two', async () => {
  const rowsWith = async (slots: number) => {
    const driver = testDriver(site, { slots });
    await driver.send(clicks, [click(0), click(1_000, 'bob', 3)]);
    await driver.close();
    return driver.read('per-minute');
  };
  expect(await rowsWith(1)).toEqual(await rowsWith(8));
  await expect(rowsWith(3)).rejects.toThrow('testDriver: slots is 3; it must be a power of two up to');
});

test('what a stream and a view are not called does not compile, and is said', async () => {
  const driver = testDriver(site);
  // @ts-expect-error: the record has no bytes
  const incomplete = driver.send(clicks, [{ at: 1, user: 'ann' }]);
  await incomplete;
  expect(await driver.counts()).toMatchObject({ sent: 1, rejected: 1 });
  // @ts-expect-error: there is no such view
  await expect(driver.read('per-hour')).rejects.toThrow('it has per-minute');
  await expect(driver.send('visits', [])).rejects.toThrow('pipeline site reads no stream visits; it reads clicks.');
});

test('a row is refreshed as time passes', async () => {
  const driver = testDriver(site);
  const clicksOfAnn = async () => (await driver.read('per-minute'))[0]?.clicks;
  await driver.send(clicks, [click(0)]);
  expect(await clicksOfAnn()).toBe(1);
  await driver.send(clicks, [click(1)]);
  expect(await clicksOfAnn()).toBe(1);
  await driver.advance(seconds(5));
  expect(await clicksOfAnn()).toBe(2);
  expect(driver.now()).toEqual(new Date('2026-01-01T00:00:05.000Z'));
});

test('a silent shard is waited for until it is idle', async () => {
  const driver = testDriver(site, { shards: 2 });
  const isFinal = async () => (await driver.read('per-minute'))[0]?.final;
  await driver.send(clicks, [click(0)], { shard: 0 });
  await driver.send(clicks, [click(0)], { shard: 1 });
  await driver.advance(seconds(40));
  await driver.send(clicks, [click(120_000)], { shard: 0 });
  expect(await isFinal()).toBe(false);
  await driver.advance(seconds(21));
  expect(await isFinal()).toBe(true);
});

test('all shards are waited for when a stream speaks after it was silent', async () => {
  const driver = testDriver(site, { shards: 2 });
  const isFinal = async () => (await driver.read('per-minute'))[0]?.final;
  await driver.send(clicks, [click(0)], { shard: 0 });
  await driver.advance(hours(9));
  await driver.send(clicks, [click(120_000)], { shard: 0 });
  expect(await isFinal()).toBe(false);
  await driver.send(clicks, [click(1)], { shard: 1 });
  expect(await driver.counts()).toMatchObject({ counted: 3, late: 0 });
  // Now the second one is silent for longer than the stream's minute, and the first one is where it was.
  await driver.advance(minutes(2));
  await driver.send(clicks, [click(120_000)], { shard: 0 });
  await driver.advance(minutes(2));
  expect(await isFinal()).toBe(true);
});

test('dead letters say what could not be counted', async () => {
  const driver = testDriver(site, { faults: { seed: 1, redelivery: 0.5 } });
  await driver.send(clicks, [click(0), 'no click', new Uint8Array([0xff]), click(61_000), click(59_999)]);
  const letters = await driver.deadLetters();
  expect(letters.map(({ reason }) => reason)).toEqual(['undecodable', 'undecodable', 'late']);
  expect(await driver.counts()).toMatchObject({ sent: 5, counted: 2, filtered: 0, late: 1, rejected: 2 });
});

test('a stream that does not decode JSON is sent texts', async () => {
  const lines = stream('lines', {
    schema: z.object({ user: z.string(), at: z.number() }),
    timestamp: (line) => line.at,
    outOfOrderness: seconds(0),
    decode: csv({ columns: { user: 'string', at: 'number' } }),
  });
  const output = lines
    .keyBy((line) => ({ user: line.user }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
    .aggregate('per-minute', { lines: count() })
    .to(sink);
  const driver = testDriver(pipeline('csv', [output], { slots: 1 }));
  await driver.send(lines, ['ann,1\nbob,2']);
  expect((await driver.read('per-minute')).map(({ user }) => user)).toEqual(['ann', 'bob']);
  await expect(driver.send(lines, [{ user: 'ann', at: 1 }])).rejects.toThrow('stream lines decodes csv and not JSON');
});

test('files and streams of views can be read', async () => {
  const visits = byUser
    .window(session({ gap: minutes(1) }), { allowedLateness: seconds(0) })
    .aggregate('visits', { clicks: count() })
    .to(s3({ format: 'ndjson' }), kinesis());
  const driver = testDriver(pipeline('visits', [visits], { slots: 2 }), { faults: { seed: 3, doubledPut: 0.5 } });
  await driver.send(clicks, [click(0), click(0, 'bob'), click(2)]);
  await driver.close();
  const rows = await driver.readStream('visits');
  expect(rows.map((row) => `${row['user']} ${row['clicks']}`).sort()).toEqual(['ann 2', 'bob 1']);
  const [[name, bytes]] = [...(await driver.files())] as [[string, Uint8Array]];
  expect(name).toMatch(/^visits\/date=1970-01-01\/.*\.ndjson\.gz$/);
  expect(gunzipSync(bytes).toString()).toContain('"user":"ann"');
  await expect(driver.read('visits')).rejects.toThrow('not in the results table');
});

function fuzzed(placement: Placement): Pipeline {
  const keyed = readings({ outOfOrderness: 5 }).keyBy((reading) => ({ key: reading.key }));
  const columns = { amounts, total: sum((reading: Reading) => reading.amount) };
  const tens = keyed
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(3), placement, refresh: milliseconds(1) })
    .aggregate('tens', columns)
    .derive({ share: shareOfTotal('total') })
    .to(sink);
  const visits = keyed
    .window(session({ gap: milliseconds(4) }), { allowedLateness: milliseconds(0) })
    .aggregate('visits', columns)
    .to(sink);
  const busiest = keyed
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), emit: 'on-close' })
    .aggregate('closed', columns)
    .top('busiest', 2, { by: 'total' })
    .to(sink);
  return pipelineOf([tens, visits, busiest], { slots: 4 });
}

const history = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 60 }),
    key: fc.constantFrom('a', 'b', 'c'),
    amount: fc.integer({ min: 0, max: 9 }),
  }),
  { minLength: 1, maxLength: 12 },
);

test('the rows are those of a run, late records included, whatever goes wrong', {
  timeout: fuzzTimeoutMs,
}, async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(history, fc.integer({ min: 1 }), async (records, seed) => {
      const run = createBoundedRun(fuzzed('lambda'));
      for (const record of records) run.takeValue('readings', record);
      const rows = [...run.finish()];
      for (const [placement, faults] of [
        ['lambda', undefined],
        ['lambda', { seed }],
        ['fargate', { seed, kill: 0.05 }],
      ] as const) {
        const driver = testDriver(fuzzed(placement), { exchangeShards: 2, ...(faults && { faults }) });
        await driver.send('readings', records);
        await driver.close();
        for (const view of ['tens', 'visits', 'busiest']) {
          const expected = rows.filter((row) => row.view === view).map(({ view: _, ...row }) => row);
          expect([placement, JSON.parse(JSON.stringify(await driver.read(view)))]).toEqual([placement, expected]);
        }
        expect(await driver.counts()).toMatchObject({ ...run.counts() });
        for (const kind of Object.keys(driver.faults())) seen.add(kind);
      }
    }),
    { numRuns: 25 },
  );
  expect([...seen].sort()).toEqual(['doubledPut', 'kill', 'latePut', 'mergeExchange', 'redelivery', 'splitExchange']);
});

test('without late records, splits and merges of the raw stream change nothing', {
  timeout: fuzzTimeoutMs,
}, async () => {
  const far = pipelineOf(
    [
      readings({ outOfOrderness: 1_000 })
        .keyBy((reading) => ({ key: reading.key }))
        .window(session({ gap: milliseconds(4) }), { allowedLateness: milliseconds(0) })
        .aggregate('visits', { amounts })
        .to(sink),
    ],
    { slots: 4 },
  );
  await fc.assert(
    fc.asyncProperty(history, fc.integer({ min: 1 }), async (records, seed) => {
      const run = createBoundedRun(far);
      for (const record of records) run.takeValue('readings', record);
      const driver = testDriver(far, { shards: 2, batchRecords: 3, faults: { seed, splitRaw: 0.3, mergeRaw: 0.3 } });
      await driver.send('readings', records);
      await driver.split('exchange');
      await driver.merge('exchange');
      await driver.close();
      const rows = [...run.finish()].map(({ view: _, ...row }) => row);
      expect(JSON.parse(JSON.stringify(await driver.read('visits')))).toEqual(rows);
    }),
    { numRuns: 25 },
  );
});

test('a batch for which a host that died has noted other lookups is sent again', async () => {
  const users = lookupTable('users', { key: { id: 'string' }, schema: z.object({ id: z.string() }) });
  const freshness = minutes(5);
  // Once ann is known, bob is refused before anybody asks for the second item.
  const known = clicks
    .enrich(users, { key: () => ({ id: 'ann' }), freshness }, (click) => click)
    .map((click) => {
      if (click.user === 'bob') throw new Error('bob is refused');
      return click;
    });
  const found = clicks.enrich(users, { key: (click) => ({ id: `${click.bytes}` }), freshness }, (click) => click);
  const site = pipelineOf([
    known.select('known', { user: (click) => click.user }).to(sink),
    found.select('found', { bytes: (click) => click.bytes }).to(sink),
  ]);
  const records = ['ann', 'bob', 'bob', 'bob', 'ann', 'bob'].map((user, at) => ({ at, user, bytes: at }));
  for (let seed = 1; seed <= 10; seed += 1) {
    const driver = testDriver(site, { faults: { seed, kill: 0.1 }, tables: { users: [{ id: 'ann' }] } });
    await driver.send('clicks', records);
    await driver.close();
    expect(await driver.counts()).toMatchObject({ sent: 6, counted: 2, rejected: 4 });
  }
});
