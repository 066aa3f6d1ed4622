import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import {
  type AnyOutput,
  count,
  dynamodb,
  hours,
  lookupTable,
  milliseconds,
  minutes,
  pipeline,
  seconds,
  stream,
  tumbling,
} from '#shared/pipeline/index.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { LookupTables } from '#shared/ports/lookup-tables.ts';
import { decodeBlock } from '#shared/runtime/block-codec.ts';
import { attemptsMax, createPreprocess, type PreprocessOptions, type RawRecord } from '#shared/runtime/preprocess.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { createSavepoint } from '#shared/runtime/savepoint-create.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';
import { expectSameAsBatch, sent, testDriver } from '#shared/testing/index.ts';
import { rawStreams } from './savepoints.ts';
import { rawRecord, World } from './world.ts';

const schema = z.object({ at: z.number(), user: z.string() });
const visits = stream('visits', { schema, timestamp: (visit) => visit.at, outOfOrderness: seconds(0) });
const users = lookupTable('users', { key: { id: 'string' }, schema: z.object({ id: z.string(), plan: z.string() }) });
const freshnessMs = 1_000;

/** Visits by the plan of their user; `suffix` makes another key of a user, as another version of the code would. */
function shopOf(change: { readonly suffix?: string; readonly itemsMax?: number } = {}): Pipeline {
  const { suffix = '', itemsMax } = change;
  const options = { freshness: milliseconds(freshnessMs), ...(itemsMax === undefined ? {} : { itemsMax }) };
  const byPlan: AnyOutput = visits
    .enrich(
      users,
      { ...options, key: ({ user }) => (user === 'nobody' ? undefined : { id: `${user}${suffix}` }) },
      (visit, user) => {
        if (user?.plan === 'broken') throw new Error('a plan that is broken');
        return { ...visit, plan: user?.plan ?? 'none' };
      },
    )
    .filter(({ plan }) => plan !== 'staff')
    .keyBy(({ plan }) => ({ plan }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
    .aggregate('by-plan', { visits: count() })
    .to(dynamodb({ ttl: hours(1) }));
  return pipeline('shop', [byPlan], { slots: 4 });
}
const shop = shopOf();

function visit(sequence: number, user: string, more: readonly string[] = []): RawRecord {
  return rawRecord(sequence, [user, ...more].map((one) => JSON.stringify({ at: sequence, user: one })).join('\n'));
}

interface Change extends Partial<Pick<PreprocessOptions, 'lookupTables' | 'lookupLimits' | 'state'>> {
  readonly pipeline?: Pipeline;
}

/** A preprocess stage whose exchange can be cut off, over a world whose tables can change. */
function setUp(items: readonly LookupItem[] = [], change: Change = {}) {
  const world = new World(shop, ['a']);
  for (const item of items) world.lookupTables.put('users', item);
  const network = { isDown: false };
  const put: (readonly [sequence: string, key: string])[] = [];
  const asked: string[] = [];
  const lookupTables: LookupTables = {
    read: (spec, keys) => {
      asked.push(keys.map((key) => key.join('/')).join(' '));
      return world.lookupTables.read(spec, keys);
    },
  };
  const options: PreprocessOptions = {
    ...world,
    source: 'visits',
    directory: { list: async () => [{ shardId: 'a', parents: [] }] },
    exchange: {
      put: async (entries) => {
        if (network.isDown) throw new MillraceError('EXCHANGE_UNAVAILABLE', 'the network is down');
        for (const { bytes } of entries)
          for (const { sequences, sequence, keys, key } of decodeBlock(bytes, 'here').routes)
            for (const [at, index] of sequence.entries())
              put.push([sequences[index] as string, keys[key[at] as number] as string]);
        return [];
      },
    },
    lookupTables,
    ...change,
  };
  /** Each start is another process, which has kept nothing. */
  const start = (other: Change = {}) => {
    const stage = createPreprocess({ ...options, ...other });
    return (...records: readonly RawRecord[]) => stage.process({ shardId: 'a', records });
  };
  return { ...world, put, asked, network, start, send: start(), note: () => world.state.readLookups('visits', 'a') };
}

const ann = { id: 'ann', plan: 'gold' };

describe('a batch that is tried again', () => {
  test('finds what was found first, whatever the table has meanwhile', async () => {
    const { start, put, network, lookupTables } = setUp([ann]);
    network.isDown = true;
    await expect(start()(visit(1, 'ann'), visit(2, 'bob'))).rejects.toThrow('EXCHANGE_UNAVAILABLE');
    lookupTables.put('users', { id: 'ann', plan: 'tin' });
    lookupTables.put('users', { id: 'bob', plan: 'staff' });
    network.isDown = false;
    await start()(visit(1, 'ann'), visit(2, 'bob'));
    expect(put).toEqual([
      ['1', 'plan=gold'],
      ['2', 'plan=none'],
    ]);
  });

  test('with more records behind it looks up only those', async () => {
    const { start, put, asked, network, lookupTables } = setUp([ann]);
    network.isDown = true;
    await start()(visit(1, 'ann')).catch(() => undefined);
    lookupTables.put('users', { id: 'ann', plan: 'tin' });
    network.isDown = false;
    expect(await start()(visit(1, 'ann'), visit(2, 'ann'), visit(3, 'bob'))).toEqual({});
    expect(put).toEqual([
      ['1', 'plan=gold'],
      ['2', 'plan=tin'],
      ['3', 'plan=none'],
    ]);
    expect(asked).toEqual(['ann', 'ann bob']);
  });

  test('is sent again from its second part when only that fails', async () => {
    const { start, network, put } = setUp([ann]);
    network.isDown = true;
    await start()(visit(1, 'ann')).catch(() => undefined);
    network.isDown = false;
    const failing = { read: () => Promise.reject(new MillraceError('STORE_UNAVAILABLE', 'users cannot be read')) };
    expect(await start({ lookupTables: failing })(visit(1, 'ann'), visit(2, 'ann'))).toEqual({ failedFrom: '2' });
    expect(put).toEqual([['1', 'plan=gold']]);
  });

  test('is passed over once what stands behind it was noted', async () => {
    const { start, put, lookupTables, note } = setUp([ann]);
    await start()(visit(1, 'ann'), visit(2, 'ann'));
    await start()(visit(3, 'ann'));
    lookupTables.put('users', { id: 'ann', plan: 'tin' });
    expect(await start()(visit(1, 'ann'), visit(2, 'ann'))).toEqual({});
    expect(await start()(visit(2, 'ann'), visit(3, 'ann'), visit(4, 'ann'))).toEqual({});
    expect(put).toEqual([
      ['1', 'plan=gold'],
      ['2', 'plan=gold'],
      ['3', 'plan=gold'],
      ['3', 'plan=gold'],
      ['4', 'plan=tin'],
    ]);
    expect(await note()).toMatchObject({ from: '4', to: '4' });
  });

  test('by other code, which looks up something else, is noted beside what was', async () => {
    const { start, network, note } = setUp([ann, { id: 'ann-2', plan: 'tin' }]);
    network.isDown = true;
    await start()(visit(1, 'ann'), visit(2, 'bob')).catch(() => undefined);
    await start({ pipeline: shopOf({ suffix: '-2' }) })(visit(1, 'ann')).catch(() => undefined);
    const found = await note();
    expect([found?.from, found?.to]).toEqual(['1', '2']);
    expect(JSON.parse(found?.body ?? '')).toEqual({
      users: [['["ann"]', ann], ['["ann-2"]', { id: 'ann-2', plan: 'tin' }], ['["bob"]']],
    });
  });
});

test('an attempt whose note is not the first is refused, and finds the first when it is sent again', async () => {
  const { start, put, lookupTables } = setUp([ann]);
  let isSlow = true;
  const slow: LookupTables = {
    read: async (spec, keys) => {
      const items = await lookupTables.read(spec, keys);
      if (isSlow) {
        isSlow = false;
        lookupTables.put('users', { id: 'ann', plan: 'tin' });
        await start()(visit(1, 'ann'));
      }
      return items;
    },
  };
  const late = start({ lookupTables: slow });
  await expect(late(visit(1, 'ann'), visit(2, 'ann'))).rejects.toThrow(/^STORE_CONFLICT: another attempt has noted/);
  expect(await late(visit(1, 'ann'), visit(2, 'ann'))).toEqual({});
  expect(put.map(([, key]) => key)).toEqual(['plan=tin', 'plan=tin', 'plan=gold']);
});

describe('what is noted', () => {
  test('is nothing where nothing is looked up', async () => {
    const { send, note, asked } = setUp();
    await send(visit(1, 'nobody'), rawRecord(2, 'no visit'));
    expect([await note(), asked]).toEqual([undefined, []]);
  });

  test('at once is no more than there is room for', async () => {
    const { send, note, put, asked, deadLetters } = setUp([ann], {
      lookupLimits: { noteCharsMax: 39, keysPerRead: 400 },
    });
    await send(visit(1, 'ann'), visit(2, 'bob'), visit(3, 'cid'), visit(4, 'ann'));
    expect(put.map(([sequence]) => sequence)).toEqual(['1', '2', '3', '4']);
    expect(await note()).toMatchObject({ from: '4', to: '4' });
    expect([asked, deadLetters.letters]).toEqual([['ann bob cid'], []]);
  });

  test('of one record is cut, and what has found no room is a dead letter in every attempt', async () => {
    const items = [ann, { id: 'bob', plan: 'x'.repeat(100) }];
    const { start, put, deadLetters, network } = setUp(items, { lookupLimits: { noteCharsMax: 30, keysPerRead: 1 } });
    network.isDown = true;
    await start()(visit(1, 'ann', ['bob'])).catch(() => undefined);
    network.isDown = false;
    await start({ lookupLimits: { noteCharsMax: 1_000, keysPerRead: 1 } })(visit(1, 'ann', ['bob']));
    expect(put).toEqual([['1', 'plan=gold']]);
    expect(deadLetters.letters).toMatchObject([
      { reason: 'too-large', sub: 1, message: expect.stringContaining('that of table users under ["bob"] among them') },
    ]);
  });
});

describe('a dead letter', () => {
  test('is a record whose item breaks a callback or does not fit its schema, or whose key cannot be one', async () => {
    const { send, deadLetters } = setUp([
      { id: 'ann', plan: 'broken' },
      { id: 'bob', plan: 7 },
    ]);
    await send(visit(1, 'ann'), visit(2, 'bob'), visit(3, ''), visit(4, 'x'.repeat(2_049)));
    expect(deadLetters.letters.map(({ reason, message }) => [reason, message])).toEqual([
      ['threw', 'visits/enrich threw: a plan that is broken'],
      [
        'invalid',
        'the item of table users under ["bob"] does not fit its schema: plan: Invalid input: expected string, received number',
      ],
      ['invalid', 'the key of table users: column id is an empty text, which DynamoDB takes for no key'],
      ['invalid', 'the key of table users: column id has 2049 bytes in UTF-8; at most 2048 are allowed'],
    ]);
  });
});

describe('items are kept', () => {
  test('as long as they are fresh, those that are not there too', async () => {
    const { send, asked, clock, telemetry } = setUp([ann]);
    await send(visit(1, 'ann'), visit(2, 'bob'));
    clock.move(freshnessMs);
    await send(visit(3, 'bob'), visit(4, 'ann'), visit(5, 'ann'));
    expect(asked).toEqual(['ann bob']);
    clock.move(1);
    await send(visit(6, 'bob'));
    expect(asked).toEqual(['ann bob', 'bob']);
    const values = (['lookups_total', 'lookup_hits_total', 'lookup_reads_total'] as const).map((name) =>
      telemetry.value(name),
    );
    expect(values).toEqual([5, 2, 3]);
  });

  test('no more than there may be: those that were wanted last', async () => {
    const { start, asked } = setUp();
    const send = start({ pipeline: shopOf({ itemsMax: 2 }) });
    await send(visit(1, 'ann'), visit(2, 'bob'));
    await send(visit(3, 'ann'), visit(4, 'cid'));
    await send(visit(5, 'ann'), visit(6, 'bob'));
    expect(asked).toEqual(['ann bob', 'cid', 'bob']);
  });
});

describe('a table that cannot be read', () => {
  const failing = { read: () => Promise.reject(new MillraceError('STORE_UNAVAILABLE', 'users cannot be read')) };

  test('holds the batch up, and loses nothing', async () => {
    const { start, put, deadLetters } = setUp([ann]);
    await expect(start({ lookupTables: failing })(visit(1, 'ann'), visit(2, 'ann'))).rejects.toThrow(
      'STORE_UNAVAILABLE: users cannot be read',
    );
    expect([put, deadLetters.letters]).toEqual([[], []]);
    await start()(visit(1, 'ann'), visit(2, 'ann'));
    expect(put).toHaveLength(2);
  });

  test('does not make a lone record poison, however often it is tried', async () => {
    const { start, put, deadLetters } = setUp([ann]);
    const send = start({ lookupTables: failing });
    for (let tries = 0; tries < attemptsMax + 3; tries += 1)
      await expect(send(visit(1, 'ann'))).rejects.toThrow('users cannot be read');
    await start()(visit(1, 'ann'));
    expect([put, deadLetters.letters]).toEqual([[['1', 'plan=gold']], []]);
  });
});

test('a lone record that kills the process behind its lookup is poison after a few tries all the same', async () => {
  const { start, deadLetters, state } = setUp([ann]);
  // A process that dies in a callback never notes that the record has come through.
  const dying = {
    ...state,
    writeOrigin: (request: Parameters<typeof state.writeOrigin>[0]) =>
      request.counts.attempt?.count === 0 ? new Promise<never>(() => undefined) : state.writeOrigin(request),
  };
  for (let tries = 0; tries < attemptsMax; tries += 1) {
    void start({ state: dying })(visit(1, 'ann'));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await start()(visit(1, 'ann'));
  expect(deadLetters.letters.map(({ message }) => message)).toEqual([
    `a callback killed the process or ran out of time on this record ${attemptsMax} times`,
  ]);
});

describe('a savepoint of a pipeline that looks records up', () => {
  const saved = (world: World, last: number) =>
    createSavepoint({ ...world, rawStreams: rawStreams(1, last, 'a') }, createMemoryBlobStore(), { id: 'one' });
  const text = JSON.stringify({ at: 1, user: 'ann' });
  const worldOf = () => new World(shop, ['raw']);
  const send = async (world: World, sequence: number) => {
    await world.preprocess('visits').process({ shardId: 'raw', records: [rawRecord(sequence, text)] });
    await world.aggregate();
  };

  test('is taken when all that was sent is in it, and counted', async () => {
    const world = worldOf();
    await send(world, 1);
    expect((await saved(world, 1)).isDrained).toBe(true);
  });

  test('is refused while there is more in the raw streams', async () => {
    const world = worldOf();
    await send(world, 1);
    await expect(saved(world, 2)).rejects.toThrow(
      /^SAVEPOINT_REFUSED: pipeline shop looks records up, and was not at the end of its raw streams/,
    );
  });

  test('is refused while what became of the last records is not counted', async () => {
    const world = worldOf();
    await send(world, 1);
    const { state } = world;
    const unsettled = { ...state, listOrigins: async () => [] };
    await expect(saved(Object.assign(world, { state: unsettled }), 1)).rejects.toThrow(
      'looks records up, and has not yet counted what became of the last of them',
    );
  });
});

describe('over a file', () => {
  test('a pipeline must be given its tables, and no others', () => {
    expect(() => createBoundedRun(shop)).toThrow('add --table users=FILE');
    expect(() => createBoundedRun(shop, { users: [], others: [] })).toThrow('looks nothing up in table others');
    expect(() => createBoundedRun(shop, { users: [{ plan: 'gold' }] })).toThrow('column id is undefined');
  });

  test('and on all hosts, with faults, the rows are those of a batch', async () => {
    const records = Array.from({ length: 60 }, (_, at) => ({
      at: at * 3_000,
      user: ['ann', 'bob', 'cid', 'nobody'][at % 4] as string,
    }));
    const tables = { users: [ann, { id: 'bob', plan: 'staff' }] };
    await expectSameAsBatch(shop, sent(visits, records), { driver: { tables, faults: { seed: 5 } } });
  });
});

test('a driver refuses an item that is none of the table, and a table that nobody asks', () => {
  const driver = testDriver(shop, { tables: { users: [ann] } });
  expect(() => driver.putItem(users, { plan: 'gold' })).toThrow('INPUT_INVALID');
  expect(() => driver.removeItem('others', { id: 'ann' })).toThrow('it is in users');
  expect(() => testDriver(shop, { tables: { others: [], users: [{}] } })).toThrow('INPUT_INVALID');
});
