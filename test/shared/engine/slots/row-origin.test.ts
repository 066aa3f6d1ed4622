import { expect, test } from 'vitest';
import { compile } from '#shared/engine/compile/compile.ts';
import { RowOrigin } from '#shared/engine/slots/row-origin.ts';
import { chunkLimits } from '#shared/engine/transform/exchange.ts';
import { count, milliseconds, shareOfTotal, sum, tumbling } from '#shared/pipeline/index.ts';
import type { Block } from '#shared/schemas/block.ts';
import { compareSequences, type LogPosition, logEnd, logPosition, sequenceInLog } from '#shared/schemas/position.ts';
import type { Row } from '#shared/schemas/row.ts';
import { pipelineOf, type Reading, readings, sink } from '../../readings.ts';

const table = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), emit: 'on-close' })
  .aggregate('tens', { total: sum((reading: Reading) => reading.amount) });
const sums = table
  .asStream()
  .filter((row) => {
    if (row.total === 13) throw new Error('thirteen');
    return row.total > 0;
  })
  .keyBy((row) => ({ key: row.key }))
  .window(tumbling(milliseconds(100)), { allowedLateness: milliseconds(0) })
  .aggregate('sums', { rows: count(), total: sum((row) => row.total) })
  .to(sink);
const pipeline = compile(pipelineOf([sums, table.top('best', 2, { by: 'total' }).to(sink)], { slots: 4 }));
const at = logPosition(1, '7');

function originOf(limits: Partial<typeof chunkLimits> = {}, slot = 2): RowOrigin {
  const source = pipeline.rowSources.get('tens');
  if (source === undefined) throw new Error('tens is read by others');
  return new RowOrigin(pipeline, source, slot, { ...chunkLimits, ...limits });
}

function rowOf(key: string, total: number, windowEndMs = 10): Row {
  const window = { windowStartMs: windowEndMs - 10, windowEndMs };
  return { view: 'tens', key: `key=${key}`, ...window, final: true, position: at, columns: { total }, expiresMs: 0 };
}

/** `route slot: sub key time`, of all blocks. */
function outputsOf(blocks: readonly Block[]): readonly string[] {
  return blocks
    .flatMap(({ slot, routes }) =>
      routes.flatMap((outputs) =>
        outputs.sub.map((sub, index) => {
          const key = outputs.keys[outputs.key[index] as number];
          return `${outputs.route} ${slot}: ${sub} ${key} ${outputs.timeMs[index]}`;
        }),
      ),
    )
    .sort();
}

function blocksOf(origin: RowOrigin): readonly Block[] {
  return origin.chunks().flatMap(({ blocks }) => blocks);
}

test('a row’s position is the place of its block and its number among the block’s rows', () => {
  const origin = originOf();
  origin.take(at, [rowOf('a', 1), rowOf('b', 0), rowOf('c', 2)], 19);
  const blocks = blocksOf(origin);
  const [first] = blocks;
  expect(first?.origin).toMatchObject({
    source: 'tens',
    shard: 'slot-2',
    to: [`1${'7'.padStart(129, '0')}`, Number.MAX_SAFE_INTEGER],
    watermarkMs: 19,
    roster: { 'slot-0': [], 'slot-1': [], 'slot-2': [], 'slot-3': [] },
  });
  const own = outputsOf(blocks).filter((text) => !text.includes('top=best'));
  // The second row was filtered, and keeps its number.
  expect(own.map((text) => text.replace(/^\S+ \d: /, '')).sort()).toEqual(['0 key=a 9', '2000000 key=c 9']);
});

test('of a window no more rows cross than are ranked, and all to where they meet', () => {
  const origin = originOf();
  origin.take(at, [rowOf('a', 1), rowOf('b', 3), rowOf('c', 2), rowOf('d', 1, 20)], 29);
  const ranked = outputsOf(blocksOf(origin)).filter((text) => text.includes('top=best'));
  expect(ranked.length).toBe(3);
  expect(ranked.map((text) => text.slice(-2))).toEqual([' 9', ' 9', '19']);
});

test('a row that breaks a callback, and one too large for a block, go to the dead letters with a name of their own', () => {
  const origin = originOf({ blockBytesMax: 900 });
  origin.take(at, [rowOf('a', 13), rowOf('x'.repeat(120), 1), rowOf('b', 1)], 19);
  expect(origin.letters.map(({ id, key }) => [id.replace(/0{10,}/, '…'), key])).toEqual([
    ['tens/slot-2/1…7/0/threw', { key: 'a' }],
    ['tens/slot-2/1…7/1/too-large', { key: 'x'.repeat(120) }],
  ]);
  expect(origin.letters[0]).toMatchObject({ steps: ['tens/filter'], eventTimeMs: 9, sub: 0 });
  expect(outputsOf(blocksOf(origin)).length).toBe(2);
});

test('a chunk that ends among the rows of a block promises no more than the block before', () => {
  const origin = originOf({ outputsPerChunkMax: 1 });
  origin.take(at, [rowOf('a', 1)], 19);
  origin.take(logPosition(1, '8'), [rowOf('a', 1, 20), rowOf('b', 1, 20)], 29);
  const watermarks = origin.chunks().flatMap(({ blocks }) => blocks.map((block) => block.origin?.watermarkMs));
  expect(watermarks.at(-1)).toBe(29);
  expect(watermarks.slice(2, -1)).toEqual(watermarks.slice(2, -1).map(() => 19));
  expect(watermarks.length).toBe(6);
});

test('every slot is told once how far the rows are: those that the last chunk has reached know it', () => {
  const origin = originOf();
  origin.take(at, [rowOf('a', 1)], 19);
  const reached = new Set(blocksOf(origin).map(({ slot }) => slot));
  const told = origin.heartbeats(at, 19);
  expect([...reached, ...told.map(({ slot }) => slot)].sort()).toEqual([0, 1, 2, 3]);
  expect(told.every(({ routes, origin: from }) => routes.length === 0 && from?.watermarkMs === 19)).toBe(true);
  expect(origin.heartbeats(at, 19)).toEqual([]);
  expect(origin.chunks()).toEqual([]);
});

test('a successor tells what nobody was told yet, from the place where it begins', () => {
  const origin = originOf();
  origin.toldMs = 19;
  expect(origin.heartbeats(at, 19)).toEqual([]);
  const told = origin.heartbeats(at, 29);
  expect(told.map(({ slot, origin: from }) => [slot, from?.watermarkMs])).toEqual(
    [0, 1, 2, 3].map((slot) => [slot, 29]),
  );
});

test('nothing is told before anything is known', () => {
  expect(originOf().heartbeats('' as LogPosition, Number.NEGATIVE_INFINITY)).toEqual([]);
});

test('positions in the log are in order as positions of records', () => {
  const positions = [
    logPosition(1, '1'),
    logPosition(1, '9'),
    logPosition(1, '10'),
    logPosition(1, '9'.repeat(56)),
    logEnd(1),
    // A child's numbers may be smaller than its parents'.
    logPosition(2, '3'),
    logPosition(10, '2'),
  ];
  const sequences = positions.map(sequenceInLog);
  expect([...sequences].reverse().sort(compareSequences)).toEqual(sequences);
  expect(new Set(sequences).size).toBe(positions.length);
});

test('a part of a total goes behind the rows to those who show shares alone, and one that fits no block is known to be missing', () => {
  const shared = compile(
    pipelineOf(
      [
        table
          .derive({ share: shareOfTotal('total') })
          .top('shares', 1, { by: 'total' })
          .to(sink),
        table.top('best', 1, { by: 'total' }).to(sink),
      ],
      { slots: 4 },
    ),
  );
  const source = shared.rowSources.get('tens');
  if (source === undefined) throw new Error('tens is read by others');
  const partOf = (blockBytesMax: number) => {
    const origin = new RowOrigin(shared, source, 2, { ...chunkLimits, blockBytesMax });
    const total = { view: 'tens', slot: 2, windowStartMs: 0, windowEndMs: 10, final: true, position: at };
    origin.take(at, [rowOf('a', 1), rowOf('b', 2)], 19, [
      { ...total, columns: { total: 'x'.repeat(100) }, expiresMs: 0 },
    ]);
    const routes = blocksOf(origin).flatMap((block) => block.routes);
    const parts = routes.flatMap(({ keys, columns }) => (columns[0] ?? []).map((value) => [keys[0], value]));
    return { parts: parts.filter(([, value]) => Array.isArray(value)), letters: origin.letters };
  };
  expect(partOf(5_000)).toEqual({ parts: [['top=shares', [{ total: 'x'.repeat(100) }]]], letters: [] });
  const { parts, letters } = partOf(500);
  expect(parts).toEqual([['top=shares', [null]]]);
  expect(letters).toMatchObject([{ reason: 'too-large', sub: 2, steps: ['shares'], eventTimeMs: 9 }]);
  expect(letters[0]?.message).toMatch(/the total of the window over all keys .* shares of it are null/);
});
