import { expect, test } from 'vitest';
import * as z from 'zod';
import {
  count,
  dynamodb,
  hours,
  lookupTable,
  milliseconds,
  type Pipeline,
  pipeline,
  seconds,
  stream,
  tumbling,
} from '#shared/pipeline/index.ts';
import { decodeBlock } from '#shared/runtime/block-codec.ts';
import { createPreprocess } from '#shared/runtime/preprocess.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { encodeKey } from '#shared/schemas/key.ts';
import { readColumnsOf } from '#shared/schemas/lookup.ts';
import { testDriver } from '#shared/testing/index.ts';
import { rawRecord, World } from './world.ts';

const visits = stream('visits', {
  schema: z.object({ at: z.number(), user: z.string() }),
  timestamp: (v) => v.at,
  outOfOrderness: seconds(0),
});

/** Counts visits by what the items say, of which so many columns are read. */
function byPlan(columns: readonly string[] | undefined, freshness = hours(1)): Pipeline {
  const schema = z.strictObject({
    id: z.string(),
    ...Object.fromEntries((columns ?? ['plan', 'country']).map((name) => [name, z.string()])),
  });
  const users = lookupTable('users', { key: { id: 'string' }, schema, ...(columns && { columns }) });
  return pipeline(
    'shop',
    [
      visits
        .enrich(users, { key: (v) => ({ id: v.user }), freshness }, (_, user) => ({
          group: user === undefined ? 'none' : JSON.stringify(user),
        }))
        .keyBy(({ group }) => ({ group }))
        .window(tumbling(seconds(60)), { allowedLateness: seconds(0) })
        .aggregate('by-plan', { visits: count() })
        .to(dynamodb({ ttl: hours(1) })),
    ],
    { slots: 1 },
  );
}

test('with a freshness of 0 each batch reads its items', async () => {
  const users = lookupTable('users', { key: { id: 'string' }, schema: z.object({ id: z.string(), plan: z.string() }) });
  const shop = pipeline('shop', [
    visits
      .enrich(users, { key: (v) => ({ id: v.user }), freshness: milliseconds(0) }, (_, user) => ({
        plan: user?.plan ?? 'none',
      }))
      .keyBy(({ plan }) => ({ plan }))
      .window(tumbling(seconds(60)), { allowedLateness: seconds(0) })
      .aggregate('by-plan', { visits: count() })
      .to(dynamodb({ ttl: hours(1) })),
  ]);
  const driver = testDriver(shop, { tables: { users: [{ id: 'ann', plan: 'gold' }] } });
  await driver.send(visits, [{ at: 1, user: 'ann' }]);
  driver.putItem(users, { id: 'ann', plan: 'tin' });
  await driver.send(visits, [{ at: 2, user: 'ann' }]);
  await driver.close();
  expect((await driver.read('by-plan')).map(({ plan }) => plan)).toEqual(['gold', 'tin']);
});

const batchOf = (...sequences: readonly number[]) => ({
  shardId: 'a',
  records: sequences.map((sequence) => rawRecord(sequence, JSON.stringify({ at: sequence, user: 'ann' }))),
});

/** Attempts at one record, by whatever plan, while the exchange is down or up. */
function attempts(first: Pipeline) {
  const { state, deadLetters, clock, telemetry } = new World(first, ['a']);
  const ann = { id: 'ann', plan: 'gold', country: 'fr' };
  const found = { item: ann };
  const keys: string[] = [];
  const start = (pipeline: Pipeline, isDown = false) =>
    createPreprocess({
      pipeline,
      source: 'visits',
      exchange: {
        put: async (entries) => {
          if (isDown) throw new MillraceError('EXCHANGE_UNAVAILABLE', 'down');
          for (const { bytes } of entries)
            for (const route of decodeBlock(bytes, 'here').routes) keys.push(...route.keys);
          return [];
        },
      },
      directory: { list: async () => [{ shardId: 'a', parents: [] }] },
      state,
      deadLetters,
      clock,
      telemetry,
      lookupTables: { read: async (spec, asked) => asked.map(() => readColumnsOf(spec, found.item)) },
    });
  const attempt = (pipeline: Pipeline, isDown = false) => start(pipeline, isDown).process(batchOf(1));
  return { start, attempt, found, keys, state, letters: deadLetters.letters };
}

test('a process that has kept some of the items notes what one without any has noted', async () => {
  const shop = byPlan(['plan']);
  const { start, keys } = attempts(shop);
  const batch = (...users: readonly (readonly [sequence: number, user: string])[]) => ({
    shardId: 'a',
    records: users.map(([sequence, user]) => rawRecord(sequence, JSON.stringify({ at: sequence, user }))),
  });
  const warm = start(shop);
  await warm.process(batch([1, 'bea']));
  const both = batch([2, 'ann'], [3, 'bea']);
  await expect(start(shop, true).process(both)).rejects.toThrow('down');
  expect(await warm.process(both)).toEqual({});
  expect(keys.length).toBeGreaterThan(1);
});

const changes = [
  [['plan'], ['plan', 'country']],
  [['plan', 'country'], ['plan']],
  [['plan'], undefined],
  [undefined, ['plan']],
] as const;

test.each(changes)('what a plan that reads %j has noted is no item of one that reads %j', async (before, after) => {
  const { attempt, keys, letters } = attempts(byPlan(before));
  await expect(attempt(byPlan(before), true)).rejects.toThrow('down');
  expect(await attempt(byPlan(after))).toEqual({});
  expect(letters).toEqual([]);
  expect(keys).toHaveLength(1);
});

test('a plan that comes back finds what it has noted', async () => {
  const { attempt, found, keys } = attempts(byPlan(['plan']));
  await expect(attempt(byPlan(['plan']), true)).rejects.toThrow('down');
  found.item = { ...found.item, plan: 'tin' };
  await expect(attempt(byPlan(['country']), true)).rejects.toThrow('down');
  await attempt(byPlan(['plan']));
  expect(keys).toEqual([encodeKey({ group: JSON.stringify({ id: 'ann', plan: 'gold' }) })]);
});

test('processes that take the batches of a shard in turn hold each other up no more than one alone', async () => {
  const plan = byPlan(['plan'], milliseconds(0));
  const { start, keys } = attempts(plan);
  const processes = [start(plan), start(plan), start(plan)];
  for (let sequence = 1; sequence <= 9; sequence += 1)
    expect(await processes[sequence % 2 === 0 ? 0 : sequence % 3]?.process(batchOf(sequence))).toEqual({});
  expect(keys).toHaveLength(9);
});

test('a note whose writing was not answered is found to be written', async () => {
  const plan = byPlan(['plan']);
  const { start, keys, state } = attempts(plan);
  const { writeLookups } = state;
  // The client asks again, and finds its own note in the way.
  Object.assign(state, {
    writeLookups: async (note: never) => [await writeLookups(note), await writeLookups(note)][1],
  });
  expect(await start(plan).process(batchOf(1))).toEqual({});
  expect(keys).toHaveLength(1);
});

test('a batch that another process has noted meanwhile is refused, though it began behind the note that is known', async () => {
  const plan = byPlan(['plan'], milliseconds(0));
  const { start, keys, found } = attempts(plan);
  const [one, other] = [start(plan), start(plan, true)];
  await one.process(batchOf(1));
  await expect(other.process(batchOf(2, 3))).rejects.toThrow('down');
  found.item = { ...found.item, plan: 'tin' };
  await expect(one.process(batchOf(3, 4))).rejects.toMatchObject({ code: 'STORE_CONFLICT', retry: true });
  expect(await one.process(batchOf(2, 3, 4))).toEqual({});
  const gold = encodeKey({ group: JSON.stringify({ id: 'ann', plan: 'gold' }) });
  expect(keys).toEqual([gold, gold, encodeKey({ group: JSON.stringify({ id: 'ann', plan: 'tin' }) })]);
});
