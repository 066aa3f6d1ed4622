import { describe, expect, test } from 'vitest';
import { createMemoryResultStore } from '#shared/adapters/memory/result-store.ts';
import { createMemoryStateStore } from '#shared/adapters/memory/state-store.ts';
import {
  type AnyOutput,
  milliseconds,
  ratio,
  session,
  shareOfTotal,
  sum,
  tumbling,
  union,
} from '#shared/pipeline/index.ts';
import type { Placement } from '#shared/pipeline/placement.ts';
import { createReader, rowsMax } from '#shared/runtime/read.ts';
import { logPosition, outputsPerRecordMax } from '#shared/schemas/position.ts';
import type { Row } from '#shared/schemas/row.ts';
import type { Checkpoint, SlotCounts, Stage } from '#shared/schemas/state.ts';
import { columns, pipelineOf, type Reading, readings, sink } from '../readings.ts';

const keyed = readings().keyBy((reading) => ({ key: reading.key }));

function shared(name: string, placement: Placement): AnyOutput {
  return keyed
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(5), placement })
    .aggregate(name, { ...columns, total: sum((reading: Reading) => reading.amount) })
    .derive({ share: shareOfTotal('total'), each: ratio('total', 'requests') })
    .to(sink);
}

const plain = keyed
  .window(session({ gap: milliseconds(10) }), { allowedLateness: milliseconds(0) })
  .aggregate('visits', columns)
  .to(sink);
const pipeline = pipelineOf([shared('lambda', 'lambda'), shared('fargate', 'fargate'), plain], { slots: 2 });

function setUp() {
  const state = createMemoryStateStore();
  const results = createMemoryResultStore();
  return { state, results, reader: createReader({ pipeline, state, results }) };
}
type World = ReturnType<typeof setUp>;

/** A slot that has come to this watermark; null is minus infinity. */
async function checkpoint(
  { state }: Pick<World, 'state'>,
  stage: Stage,
  slot: number,
  watermarkMs: number | null,
  change: {
    readonly counts?: Partial<SlotCounts>;
    readonly steps?: Checkpoint['steps'];
    readonly joins?: Checkpoint['joins'];
  } = {},
): Promise<void> {
  await state.writeCheckpoint({
    stage,
    slot,
    checkpoint: {
      version: 1,
      plan: pipeline.planHash,
      slots: 2,
      position: logPosition(1, '1'),
      clockMs: 0,
      sources: { readings: { watermarkMs, roster: {}, origins: {} } },
      counts: { counted: 0, late: 0, shared: 0, duplicates: 0, ...change.counts },
      steps: change.steps ?? {},
      ...(change.joins === undefined ? {} : { joins: change.joins }),
    },
    condition: { kind: 'revision', revision: undefined },
  });
}

function row(view: string, key: string, windowStartMs: number, total: number, final = true) {
  return {
    view,
    key: `key=${key}`,
    windowStartMs,
    windowEndMs: windowStartMs + 10,
    final,
    position: logPosition(1, '1'),
    columns: { requests: 1, total },
    expiresMs: 0,
  };
}

function partial(view: string, slot: number, total: number) {
  const { key: _, columns: __, ...bounds } = row(view, '', 0, 0);
  return { ...bounds, slot, columns: { total } };
}

describe('rows of a join', () => {
  const within = [milliseconds(0), milliseconds(10)] as const;
  const joined = keyed
    .join(keyed, { within, allowedLateness: milliseconds(0) })
    .select('joined', { left: { a: (one) => one.amount }, right: { b: (one) => one.amount } })
    .to(sink);
  const joinPipeline = pipelineOf([joined]);

  async function readJoined(query: { readonly top?: number; readonly by?: string } = {}) {
    const results = createMemoryResultStore();
    const time = '1970-01-01T00:00:00.000Z';
    const pair = (id: string, a: number, b: number | null, windowEndMs = 0) => ({
      ...row('joined', 'k', 0, 0),
      windowEndMs,
      id,
      // As a store may give them back.
      columns: { b, a, rightTime: time, leftTime: time },
    });
    await results.writeRows([pair('z+', 5, 1, 5), pair('1+2', 3, null), pair('2+1', 1, 2), pair('3+1', 2, 2)]);
    const reader = createReader({ pipeline: joinPipeline, state: createMemoryStateStore(), results });
    return reader.rows({ view: 'joined', fromMs: 0, toMs: 1, ...query });
  }

  test('have no window, and their columns in the order of the plan', async () => {
    const [first] = await readJoined();
    const time = '1970-01-01T00:00:00.000Z';
    expect(JSON.stringify(first)).toBe(
      JSON.stringify({ view: 'joined', final: true, key: 'k', leftTime: time, rightTime: time, a: 1, b: 2 }),
    );
  });

  test('of one key and the same times are in the order of their texts, which is the same wherever their records came from', async () => {
    expect((await readJoined()).map(({ a, b }) => [a, b])).toEqual([
      [1, 2],
      [2, 2],
      [3, null],
      [5, 1],
    ]);
  });

  test('are ranked by a column', async () => {
    expect((await readJoined({ top: 2, by: 'a' })).map((one) => one['a'])).toEqual([5, 3]);
  });
});

describe('a row with a share of the total', () => {
  test.each(['lambda', 'fargate'] as const)(
    'of a step on %s is final when its own slot and all others are',
    async (view) => {
      const world = setUp();
      const stage = view === 'lambda' ? 'aggregate' : 'window';
      await world.results.writeRows([row(view, 'a', 0, 1)]);
      await world.results.writeTotals([partial(view, 0, 1), partial(view, 1, 3)]);
      await checkpoint(world, stage, 0, 15);
      await checkpoint(world, stage, 1, 15);
      expect(await world.reader.rows({ view })).toMatchObject([{ final: true, share: 0.25 }]);
    },
  );

  test('is not final while one slot is a millisecond behind end and lateness', async () => {
    const world = setUp();
    await world.results.writeRows([row('lambda', 'a', 0, 1)]);
    await checkpoint(world, 'aggregate', 0, 15);
    await checkpoint(world, 'aggregate', 1, 14);
    expect(await world.reader.rows({ view: 'lambda' })).toMatchObject([{ final: false }]);
  });

  test('of a step over two streams is final when the slots say so, of which one may be silent', async () => {
    const both = union(readings(), readings({ name: 'others', idleAfter: 60_000 }))
      .keyBy((reading) => ({ key: reading.key }))
      .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(5), placement: 'lambda' })
      .aggregate('both', { ...columns, total: sum((reading: Reading) => reading.amount) })
      .derive({ share: shareOfTotal('total') })
      .to(sink);
    for (const bothMs of [14, 15]) {
      const { state, results } = setUp();
      const reader = createReader({ pipeline: pipelineOf([both], { slots: 2 }), state, results });
      await results.writeRows([row('both', 'a', 0, 1)]);
      await checkpoint({ state }, 'aggregate', 0, null, { joins: { both: 15 } });
      await checkpoint({ state }, 'aggregate', 1, 1_000, { joins: { both: bothMs } });
      expect(await reader.rows({ view: 'both' })).toMatchObject([{ final: bothMs === 15 }]);
    }
  });

  test('is not final while one slot has no checkpoint', async () => {
    const world = setUp();
    await world.results.writeRows([row('lambda', 'a', 0, 1)]);
    await checkpoint(world, 'aggregate', 0, 1_000);
    expect(await world.reader.rows({ view: 'lambda' })).toMatchObject([{ final: false }]);
  });

  test('is not final by the watermark of the other stage', async () => {
    const world = setUp();
    await world.results.writeRows([row('lambda', 'a', 0, 1)]);
    for (const slot of [0, 1]) await checkpoint(world, 'window', slot, 1_000);
    expect(await world.reader.rows({ view: 'lambda' })).toMatchObject([{ final: false }]);
  });

  test('is not final while the row itself is not, though all slots have passed', async () => {
    const world = setUp();
    await world.results.writeRows([row('lambda', 'a', 0, 1, false)]);
    for (const slot of [0, 1]) await checkpoint(world, 'aggregate', slot, 1_000);
    expect(await world.reader.rows({ view: 'lambda' })).toMatchObject([{ final: false }]);
  });

  test('takes the watermarks before the totals, which may grow in between', async () => {
    const world = setUp();
    await world.results.writeRows([row('lambda', 'a', 0, 1)]);
    const read: string[] = [];
    const noting = <R>(what: string, give: () => R): R => {
      read.push(what);
      return give();
    };
    const state = {
      ...world.state,
      readCheckpoint: (stage: Stage, slot: number) =>
        noting('watermark', () => world.state.readCheckpoint(stage, slot)),
    };
    const results = {
      ...world.results,
      readTotals: (view: string, startMs: number) => noting('total', () => world.results.readTotals(view, startMs)),
    };
    await createReader({ pipeline, state, results }).rows({ view: 'lambda' });
    expect(read).toEqual(['watermark', 'watermark', 'total']);
  });
});

test('a row without a share is final as soon as its own slot says so', async () => {
  const world = setUp();
  await world.results.writeRows([row('visits', 'a', 0, 1)]);
  expect(await world.reader.rows({ view: 'visits' })).toMatchObject([{ final: true }]);
});

describe('a query', () => {
  test('for more rows than the limit is refused, not cut', async () => {
    const world = setUp();
    const results = {
      ...world.results,
      rowsOfView: async ({ rowsMax: asked }: { readonly rowsMax: number }) =>
        Array.from({ length: asked }, (_, index) => row('visits', String(index), 0, 1)),
    };
    await expect(
      createReader({ pipeline, state: world.state, results }).rows({ view: 'visits', fromMs: 0 }),
    ).rejects.toThrow(
      `QUERY_INVALID: the query gives more than ${rowsMax} rows; narrow it with a key or a time range.`,
    );
  });

  test('of a view without rows gives none', async () => {
    expect(await setUp().reader.rows({ view: 'visits' })).toEqual([]);
  });

  test('for any key of a view without rows gives none, for nothing tells what columns its keys have', async () => {
    expect(await setUp().reader.rows({ view: 'visits', key: 'kye=a' })).toEqual([]);
  });

  test('for a key with other columns than the newest rows is refused only if it has no rows at all', async () => {
    const { results, reader } = setUp();
    await results.writeRows([{ ...row('visits', 'a', 0, 1), key: 'tag=x' }, row('visits', 'a', 100, 2)]);
    const ask = (key: string) => reader.rows({ view: 'visits', key, fromMs: 100 });
    expect(await ask('tag=x')).toEqual([]);
    await expect(ask('tag=y')).rejects.toThrow(
      'QUERY_INVALID: the keys of view visits have the columns key; key.key is missing, key.tag is none of them.',
    );
  });

  test('for the largest by a share sorts by the share', async () => {
    const world = setUp();
    await world.results.writeRows([row('lambda', 'a', 0, 1), row('lambda', 'b', 0, 3), row('lambda', 'c', 0, 2)]);
    await world.results.writeTotals([partial('lambda', 0, 6)]);
    const rows = await world.reader.rows({ view: 'lambda', top: 2, by: 'share' });
    expect(rows.map(({ key, share }) => [key, share])).toEqual([
      ['b', 0.5],
      ['c', 1 / 3],
    ]);
  });
});

describe('progress', () => {
  test('is the least watermark of all slots, by source and stage', async () => {
    const world = setUp();
    await checkpoint(world, 'aggregate', 0, 7);
    await checkpoint(world, 'aggregate', 1, 5);
    await checkpoint(world, 'window', 0, 9);
    expect(await world.reader.progress()).toEqual([
      { source: 'readings', stage: 'aggregate', watermarkMs: 5, slots: 2 },
      { source: 'readings', stage: 'window', watermarkMs: null, slots: 1 },
    ]);
  });
});

describe('the counts', () => {
  test('add up what origins and slots have counted', async () => {
    const world = setUp();
    for (const shard of ['a', 'b']) {
      const counts = { sequence: '9', sent: 10, filtered: 2, rejected: 1 };
      await world.state.writeOrigin({ source: 'readings', shard, counts, read: undefined });
    }
    const steps = { lambda: { counted: 6, late: 1, open: [], emittedMs: 0, pending: [] } };
    for (const slot of [0, 1])
      await checkpoint(world, 'aggregate', slot, 0, { counts: { counted: 6, late: 1, duplicates: 4 }, steps });
    expect(await world.reader.counts()).toEqual({
      sent: 20,
      filtered: 4,
      rejected: 2,
      counted: 12,
      late: 2,
      duplicates: 8,
      waiting: 0,
      steps: { lambda: { counted: 12, late: 2 } },
    });
  });

  test('call a shared record late when it has a mark for each share, and counted otherwise', async () => {
    const world = setUp();
    await checkpoint(world, 'aggregate', 0, 0, { counts: { shared: 2 } });
    const mark = { source: 'readings', origin: 'a', stage: 'aggregate', shares: 2 } as const;
    await world.state.addLateMarks([
      { ...mark, position: ['1', 0] },
      { ...mark, position: ['1', 1] },
      { ...mark, position: ['2', 0] },
    ]);
    expect(await world.reader.counts()).toMatchObject({ counted: 1, late: 1 });
  });

  test('tell the lines of one raw record apart', async () => {
    const world = setUp();
    await checkpoint(world, 'aggregate', 0, 0, { counts: { shared: 2 } });
    const mark = { source: 'readings', origin: 'a', stage: 'aggregate', shares: 2 } as const;
    await world.state.addLateMarks([
      { ...mark, position: ['1', 0] },
      { ...mark, position: ['1', outputsPerRecordMax] },
    ]);
    expect(await world.reader.counts()).toMatchObject({ counted: 2, late: 0 });
  });

  test('count a mark once, however often it is made', async () => {
    const world = setUp();
    await checkpoint(world, 'aggregate', 0, 0, { counts: { shared: 1 } });
    const mark = { source: 'readings', origin: 'a', position: ['1', 0], stage: 'aggregate', shares: 2 } as const;
    await world.state.addLateMarks([mark]);
    await world.state.addLateMarks([mark]);
    expect(await world.reader.counts()).toMatchObject({ counted: 1, late: 0 });
  });
});

describe('a provisional row', () => {
  const visit = (startMs: number, endMs: number, sequence: string, part: Partial<Row> = {}): Row => ({
    view: 'visits',
    key: 'key=a',
    windowStartMs: startMs,
    windowEndMs: endMs,
    final: false,
    position: logPosition(1, sequence),
    columns: { amounts: sequence, requests: 1 },
    expiresMs: 1,
    ...part,
  });
  const shown = { provisional: 'shown' } as const;
  const read = async (...rows: readonly Row[]): Promise<readonly unknown[]> => {
    const { results, reader } = setUp();
    await results.writeRows(rows);
    const found = await reader.rows({ view: 'visits', fromMs: 0, toMs: 1_000 });
    return found.map(({ amounts, final }) => [amounts, final]);
  };

  test('is shown', async () => {
    expect(await read(visit(0, 10, '1', shown), visit(20, 30, '2', shown))).toEqual([
      ['1', false],
      ['2', false],
    ]);
  });

  test('is not shown beside the final row of its session', async () => {
    expect(await read(visit(5, 20, '1', shown), visit(0, 30, '2', { final: true }))).toEqual([['2', true]]);
  });

  test('is not shown beside a newer one that it became a part of', async () => {
    expect(await read(visit(20, 30, '1', shown), visit(5, 40, '2', shown), visit(5, 7, '1', { key: 'key=b' }))).toEqual(
      [
        ['2', false],
        ['1', false],
      ],
    );
  });

  test('is shown beside the final row of a session that was closed before its first record came', async () => {
    expect(await read(visit(0, 20, '1', { final: true }), visit(15, 25, '2', shown))).toEqual([
      ['1', true],
      ['2', false],
    ]);
  });

  test('is shown beside the final row of a session that ends where it begins', async () => {
    expect(await read(visit(0, 10, '2', { final: true }), visit(10, 20, '1', shown))).toEqual([
      ['2', true],
      ['1', false],
    ]);
  });
});
