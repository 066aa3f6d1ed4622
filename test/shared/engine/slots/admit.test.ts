import { describe, expect, test } from 'vitest';
import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import { CellStage } from '#shared/engine/slots/cells.ts';
import { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import { type PlacedBlock, SlotReader } from '#shared/engine/slots/slot.ts';
import { ChunkPacker, chunkLimits } from '#shared/engine/transform/exchange.ts';
import { Preprocessor } from '#shared/engine/transform/preprocess.ts';
import { type AnyOutput, count, milliseconds, sum, tumbling } from '#shared/pipeline/index.ts';
import type { Placement } from '#shared/pipeline/placement.ts';
import { logPosition } from '#shared/schemas/position.ts';
import type { Checkpoint, StoredCell } from '#shared/schemas/state.ts';
import { columns, pipelineOf, type Reading, readings, sink } from '../../readings.ts';

const keyed = readings().keyBy((reading) => ({ key: reading.key }));

function step(
  name: string,
  change: { readonly size?: number; readonly lateness?: number; readonly placement?: Placement } = {},
): AnyOutput {
  return keyed
    .window(tumbling(milliseconds(change.size ?? 10)), {
      allowedLateness: milliseconds(change.lateness ?? 0),
      placement: change.placement ?? 'fargate',
    })
    .aggregate(name, { [`${name}Count`]: count<Reading>(), [`${name}Sum`]: sum((reading: Reading) => reading.amount) })
    .to(sink);
}

function plan(...outputs: readonly AnyOutput[]): CompiledPipeline {
  return compile(pipelineOf(outputs));
}

/** The block that a plan's preprocess stage makes of the record number `at`. */
function blockBy(pipeline: CompiledPipeline, at: number, amount: number): PlacedBlock {
  const source = pipeline.sources.get('readings');
  if (source === undefined) throw new Error('the test has the source readings');
  const preprocessor = new Preprocessor(pipeline, source);
  const packer = new ChunkPacker({ pipeline, source: 'readings', shard: 'a', roster: { a: [] }, limits: chunkLimits });
  preprocessor.takeValue({ at, key: 'k', amount });
  packer.add(String(at), 0, at, preprocessor.outputs, preprocessor.outputCount, preprocessor.shares);
  packer.complete(String(at));
  const [chunk] = packer.finish();
  const [block] = chunk?.blocks ?? [];
  if (block === undefined) throw new Error('a record becomes a block');
  return { block: JSON.parse(JSON.stringify(block)), position: logPosition(1, String(at)), arrivalMs: at };
}

/** A checkpoint of the window stage behind one block of the plan. */
function checkpointBy(pipeline: CompiledPipeline): Checkpoint {
  const stage = new MemoryStage(pipeline, 0);
  stage.apply(blockBy(pipeline, 1, 7));
  return JSON.parse(JSON.stringify(stage.checkpoint()));
}

function allowing(pipeline: CompiledPipeline, checkpoint: Checkpoint, id: string): CompiledPipeline {
  return { ...pipeline, dropped: new Set([`${id}@${checkpoint.steps[id]?.contract}`]) };
}

describe('a block of another plan', () => {
  const before = plan(step('one'));
  const after = plan(step('two'), step('one'));

  test('reaches the step of the same contract with its own values, though columns have other numbers', () => {
    const stage = new MemoryStage(after, 0);
    stage.apply(blockBy(before, 1, 7));
    stage.apply(blockBy(after, 2, 5));
    stage.apply(blockBy(after, 30, 0));
    const rows = stage.takeEmission().rows.filter((row) => row.final);
    expect(rows.map(({ view, columns: values }) => [view, values])).toEqual([
      ['two', { twoCount: 1, twoSum: 5 }],
      ['one', { oneCount: 2, oneSum: 12 }],
    ]);
    expect(stage.reader.counts.counted).toBe(3);
  });

  test('is refused when it is for a step that is gone', () => {
    const stage = new MemoryStage(before, 0);
    expect(() => stage.apply(blockBy(after, 1, 7))).toThrow(/^STATE_WOULD_BE_LOST: a block of slot 0 .* of step two/);
  });

  test('is refused when it is for a step of another contract', () => {
    const stage = new MemoryStage(plan(step('one', { size: 20 })), 0);
    expect(() => stage.apply(blockBy(before, 1, 7))).toThrow(/^STATE_WOULD_BE_LOST/);
  });

  test('is passed over for a step whose loss was named, and counts for the others', () => {
    const stage = new MemoryStage(allowing(before, checkpointBy(after), 'two'), 0);
    stage.apply(blockBy(after, 1, 7));
    expect([stage.reader.counts.counted, stage.keyCount]).toEqual([1, 1]);
  });

  test('is refused when the plan that made it did not say for whom it is', () => {
    const placed = blockBy(before, 1, 7);
    const routes = placed.block.routes.map(({ readers: _, ...route }) => route);
    const stage = new MemoryStage(after, 0);
    expect(() => stage.apply({ ...placed, block: { ...placed.block, routes } })).toThrow(/^PLAN_MISMATCH/);
  });

  test('is refused when two columns of a step are one now and were not then', () => {
    const shared = count<Reading>();
    const twice = (a: typeof shared, b: typeof shared) =>
      plan(
        keyed
          .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
          .aggregate('two', { a, b })
          .to(sink),
        step('one'),
      );
    const stage = new SlotReader(twice(shared, shared), 'aggregate', 0, undefined);
    expect(() => stage.apply(blockBy(twice(shared, count()), 1, 7), () => true)).toThrow(/^PLAN_MISMATCH: two columns/);
  });

  test('has its home in the first stage that it was made for', () => {
    const both = plan(step('one', { placement: 'lambda' }), step('two'));
    const counts = (['aggregate', 'window'] as const).map((stage) => {
      const reader = new SlotReader({ ...both, planHash: 'ffff' }, stage, 0, undefined);
      reader.apply(blockBy(both, 1, 7), () => true);
      return reader.counts.shared;
    });
    expect(counts).toEqual([1, 0]);
  });
});

describe('a checkpoint of another plan', () => {
  const before = plan(step('one'), step('two'));

  test('goes on where the contracts are the same, and steps that are new begin at its position', () => {
    const reader = new SlotReader(plan(step('three'), step('two'), step('one')), 'window', 0, checkpointBy(before));
    expect([reader.countsOf, 'one', 'two', 'three'].slice(1).map((id) => reader.sinceOf(id as string))).toEqual([
      '',
      '',
      logPosition(1, '1'),
    ]);
    expect(reader.progressOf('one')?.counted).toBe(1);
  });

  test.each<[string, CompiledPipeline, string]>([
    ['a step is gone', plan(step('one')), 'two'],
    ['its window is another', plan(step('one'), step('two', { size: 20 })), 'two'],
    ['it has moved to Lambda', plan(step('one'), step('two', { placement: 'lambda' })), 'two'],
    ['it waits longer for late records', plan(step('one'), step('two', { lateness: 5 })), 'two'],
  ])('is refused when %s, and is not when that was named', (_, after, id) => {
    const checkpoint = checkpointBy(before);
    expect(() => new SlotReader(after, 'window', 0, checkpoint)).toThrow(/^STATE_WOULD_BE_LOST: .* of step two/);
    const reader = new SlotReader(allowing(after, checkpoint, id), 'window', 0, checkpoint);
    expect([reader.hasLost, reader.progressOf(id), reader.progressOf('one')?.counted]).toEqual([true, undefined, 1]);
  });

  test('is refused by a stage that cuts its cells into another number of groups', () => {
    const one = step('one', { placement: 'lambda' });
    const small = plan(one);
    const checkpoint = new CellStage(small, 0, undefined).finish([]).checkpoint;
    const large = compile(pipelineOf([one], { expectedKeys: 1_000_000 }));
    expect(() => new CellStage(large, 0, checkpoint)).toThrow(/^SLOTS_MISMATCH: .* key groups/);
  });
});

describe('a state item', () => {
  const before = plan(step('one', { placement: 'lambda' }));
  const changed = plan(step('one', { placement: 'lambda', size: 20 }));

  /** Cells and checkpoint behind one batch. */
  function take(
    pipeline: CompiledPipeline,
    checkpoint: Checkpoint | undefined,
    cells: readonly StoredCell[],
    block: PlacedBlock,
  ) {
    const stage = new CellStage(pipeline, 0, checkpoint);
    stage.judge(block);
    const effects = stage.finish(cells);
    return { ...effects, stored: effects.cells.map(({ cell }) => cell) };
  }

  test('that a step of another contract left behind is written over where the loss was named', () => {
    const old = take(before, undefined, [], blockBy(before, 1, 7));
    const next = allowing(changed, old.checkpoint, 'one');
    const { cells } = take(next, old.checkpoint, old.stored, blockBy(changed, 2, 5));
    expect(cells.map(({ cell, read }) => [JSON.parse(cell.body)[1][2], read])).toEqual([
      [['1', '5'], logPosition(1, '1')].map((value, index) => (index === 0 ? expect.anything() : value)),
    ]);
    expect(cells[0]?.cell.body).not.toContain('12');
  });

  test('of an earlier step of the same contract and name is not found by a later one', () => {
    const old = take(before, undefined, [], blockBy(before, 1, 7));
    const without = { ...old.checkpoint, plan: 'ffff', steps: {} };
    const { cells } = take(before, without, old.stored, blockBy(before, 2, 5));
    const fresh = take(before, undefined, [], blockBy(before, 2, 5));
    const keysOf = ({ body }: StoredCell) =>
      JSON.parse(body)
        .slice(1)
        .map(([key, , saved]: readonly unknown[]) => [key, saved]);
    expect(cells.map(({ cell }) => keysOf(cell))).toEqual(fresh.cells.map(({ cell }) => keysOf(cell)));
  });

  test('of a newer plan stops a host of the older one', () => {
    const newer = take(changed, undefined, [], blockBy(changed, 2, 5));
    expect(() => take(before, undefined, newer.stored, blockBy(before, 1, 7))).toThrow(
      /^STATE_WOULD_BE_LOST: a state item of step one/,
    );
  });
});

test('what is written without contracts fits its own plan', () => {
  const pipeline = plan(
    keyed
      .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
      .aggregate('s', columns)
      .to(sink),
  );
  const stage = new CellStage(pipeline, 0, undefined);
  stage.judge(blockBy(pipeline, 1, 7));
  const { cells, checkpoint } = stage.finish([]);
  const stored = cells.map(({ cell }) => ({ ...cell, body: JSON.stringify(JSON.parse(cell.body).slice(1)) }));
  const next = new CellStage(pipeline, 0, checkpoint);
  next.judge(blockBy(pipeline, 2, 5));
  expect(next.finish(stored).cells.map(({ read }) => read)).toEqual([logPosition(1, '1')]);
});
