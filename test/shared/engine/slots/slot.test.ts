import { describe, expect, test } from 'vitest';
import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import { SlotReader } from '#shared/engine/slots/slot.ts';
import { milliseconds, tumbling } from '#shared/pipeline/index.ts';
import type { Placement } from '#shared/pipeline/placement.ts';
import type { Checkpoint } from '#shared/schemas/state.ts';
import { columns, pipelineOf, readings, sink } from '../../readings.ts';
import { placed, type TestBlock } from './blocks.ts';

/** A route with one step for each placement. */
function compiled(...placements: readonly Placement[]): CompiledPipeline {
  const keyed = readings().keyBy((reading) => ({ key: reading.key }));
  const outputs = placements.map((placement, index) =>
    keyed
      .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), placement })
      .aggregate(`step-${index}`, columns)
      .to(sink),
  );
  return compile(pipelineOf(outputs));
}

interface Seen {
  readonly step: string;
  readonly at: number;
  readonly watermarkMs: number;
  readonly values: readonly unknown[];
}

/** Reads blocks, calling late what a step's `isLate` says. */
function read(
  blocks: readonly TestBlock[],
  options: { readonly pipeline?: CompiledPipeline; readonly isLate?: (step: string, at: number) => boolean } = {},
) {
  const pipeline = options.pipeline ?? compiled('lambda');
  const reader = new SlotReader(pipeline, 'aggregate', 0, undefined);
  const seen: Seen[] = [];
  const applied = blocks.map((block) =>
    reader.apply(placed(pipeline, block), (step, { timeMs, watermarkMs, values }) => {
      if (options.isLate?.(step.plan.id, timeMs) === true) return false;
      seen.push({ step: step.plan.id, at: timeMs, watermarkMs, values: [...values] });
      return true;
    }),
  );
  return { reader, seen, applied };
}

const at = (seen: readonly Seen[]): readonly number[] => seen.map((one) => one.at);

describe('what is new', () => {
  test('an output above the mark is counted once, however often its block comes', () => {
    const block = {
      outputs: [
        { record: 1, at: 1 },
        { record: 2, at: 2 },
      ],
    };
    const { seen, reader } = read([
      { at: 1, ...block },
      { at: 2, ...block },
    ]);
    expect([at(seen), reader.counts.duplicates]).toEqual([[1, 2], 2]);
  });

  test('a block that was cut anew gives only what the first did not hold', () => {
    const { seen } = read([
      {
        at: 1,
        outputs: [
          { record: 1, at: 1 },
          { record: 2, at: 2 },
        ],
      },
      {
        at: 2,
        outputs: [
          { record: 2, at: 2 },
          { record: 3, at: 3 },
        ],
      },
    ]);
    expect(at(seen)).toEqual([1, 2, 3]);
  });

  test('a block that ends in the middle of a record leaves the rest of it to the next', () => {
    const whole = [0, 1, 2].map((index) => ({ record: 1, at: index, index }));
    const { seen } = read([
      { at: 1, to: ['1', 1], outputs: whole.slice(0, 2) },
      { at: 2, outputs: whole },
    ]);
    expect(at(seen)).toEqual([0, 1, 2]);
  });

  test('a block that ends in the middle of a raw record of several lines leaves the later lines', () => {
    const lines = [0, 1].map((line) => ({ record: 1, at: line, line }));
    const { seen } = read([
      { at: 1, to: ['1', 0], outputs: lines.slice(0, 1) },
      { at: 2, outputs: lines },
    ]);
    expect(at(seen)).toEqual([0, 1]);
  });

  test('an empty block covers what it spans: an output at its end is not new', () => {
    const { seen } = read([
      { at: 1, to: 5 },
      {
        at: 2,
        to: 6,
        outputs: [
          { record: 5, at: 5 },
          { record: 6, at: 6 },
        ],
      },
    ]);
    expect(at(seen)).toEqual([6]);
  });

  test('a shorter block behind a longer one does not lower the mark', () => {
    const { seen } = read([
      { at: 1, to: 9, outputs: [{ record: 9, at: 9 }] },
      { at: 2, to: 5, outputs: [{ record: 5, at: 5 }] },
      { at: 3, to: 9, outputs: [{ record: 8, at: 8 }] },
    ]);
    expect(at(seen)).toEqual([9]);
  });

  test('marks of two origins have nothing to do with each other', () => {
    const roster = { a: [], b: [] };
    const { seen } = read([
      { at: 1, shard: 'a', roster, outputs: [{ record: 9, at: 9 }] },
      { at: 2, shard: 'b', roster, outputs: [{ record: 1, at: 1 }] },
    ]);
    expect(at(seen)).toEqual([9, 1]);
  });

  test('a late block of a retired origin is deduplicated and its new outputs are counted', () => {
    const roster = { a: [], b: ['a'] };
    const { seen } = read([
      { at: 1, shard: 'a', roster, outputs: [{ record: 1, at: 1 }] },
      { at: 2, shard: 'b', roster, outputs: [{ record: 1, at: 10 }] },
      {
        at: 3,
        shard: 'a',
        roster,
        outputs: [
          { record: 1, at: 1 },
          { record: 2, at: 2 },
        ],
      },
    ]);
    expect(at(seen)).toEqual([1, 10, 2]);
  });

  test('a record of more digits is later than one of fewer', () => {
    const { seen } = read([
      { at: 1, outputs: [{ record: 9, at: 1 }] },
      { at: 2, outputs: [{ record: 10, at: 2 }] },
    ]);
    expect(at(seen)).toEqual([1, 2]);
  });

  test('a block at or below P is passed over whole', () => {
    const { applied, seen } = read([
      { at: 5, outputs: [{ record: 1, at: 1 }] },
      { at: 5, outputs: [{ record: 2, at: 2 }] },
      { at: 4, outputs: [{ record: 3, at: 3 }] },
    ]);
    expect([applied, at(seen)]).toEqual([[true, false, false], [1]]);
  });

  test('a block of a later generation is above P, though its number is lower', () => {
    const { applied } = read([{ at: 5 }, { at: 1, generation: 2 }, { at: 9, generation: 1 }]);
    expect(applied).toEqual([true, true, false]);
  });
});

describe('what is late', () => {
  test('outputs are judged by W as it was before their block', () => {
    const { seen } = read([
      { at: 1, watermark: 100, outputs: [{ record: 1, at: 1 }] },
      { at: 2, watermark: 200, outputs: [{ record: 2, at: 2 }] },
    ]);
    expect(seen.map((one) => one.watermarkMs)).toEqual([Number.NEGATIVE_INFINITY, 100]);
  });

  test('a late output becomes a letter that says where it stood and which step refused it', () => {
    const { reader } = read(
      [
        { at: 1, watermark: 50 },
        { at: 2, outputs: [{ record: 7, line: 2, index: 3, at: 4, key: 'x' }] },
      ],
      { isLate: () => true },
    );
    expect(reader.letters).toEqual([
      {
        id: 'readings/a/7/2000003/late/aggregate',
        pipeline: 'test',
        reason: 'late',
        message: expect.stringContaining('event time 4 ms came when the watermark stood at 50 ms'),
        source: 'readings',
        origin: 'a',
        sequence: '7',
        sub: 2_000_003,
        steps: ['step-0'],
        eventTimeMs: 4,
        key: { key: 'x' },
      },
    ]);
  });

  test('an output that one of two steps refuses is counted, and its letter names that step', () => {
    const { reader } = read([{ at: 1, outputs: [{ record: 1, at: 1 }] }], {
      pipeline: compiled('lambda', 'lambda'),
      isLate: (step) => step === 'step-1',
    });
    expect([reader.counts, reader.letters.map((letter) => letter.steps)]).toEqual([
      { counted: 1, late: 0, shared: 0, duplicates: 0 },
      [['step-1']],
    ]);
  });

  test('an output that both steps refuse is late once, in one letter', () => {
    const { reader } = read([{ at: 1, outputs: [{ record: 1, at: 1 }] }], {
      pipeline: compiled('lambda', 'lambda'),
      isLate: () => true,
    });
    expect([reader.counts.late, reader.letters.length]).toEqual([1, 1]);
  });

  test('each step has its own count', () => {
    const pipeline = compiled('lambda', 'lambda');
    const { reader } = read(
      [
        {
          at: 1,
          outputs: [
            { record: 1, at: 1 },
            { record: 2, at: 2 },
          ],
        },
      ],
      {
        pipeline,
        isLate: (step, time) => step === 'step-1' && time === 1,
      },
    );
    expect(pipeline.steps.map((step) => reader.countsOf(step))).toEqual([
      { counted: 2, late: 0 },
      { counted: 1, late: 1 },
    ]);
  });
});

describe('a join', () => {
  const keyed = (name: string) => readings({ name }).keyBy((reading) => ({ key: reading.key }));
  const lefts = keyed('lefts');
  const join = lefts
    .join(keyed('rights'), { within: [milliseconds(0), milliseconds(10)], allowedLateness: milliseconds(0) })
    .select('join', { left: { amount: (reading) => reading.amount }, right: {} })
    .to(sink);
  const window = lefts
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), placement: 'fargate' })
    .aggregate('window', columns)
    .to(sink);
  const pipeline = compile(pipelineOf([window, join]));
  const late = { record: 2, at: 5, route: 'lefts/key' };
  const blocks: readonly TestBlock[] = [
    { at: 1, source: 'lefts', watermark: 50 },
    { at: 2, source: 'rights', shard: 'b', watermark: 20 },
    { at: 3, source: 'lefts', watermark: 50, outputs: [late] },
  ];

  test('is judged by the lower watermark of its two sources, a window beside it by that of its own', () => {
    const reader = new SlotReader(pipeline, 'window', 0, undefined);
    const seen: unknown[] = [];
    for (const block of blocks)
      reader.apply(placed(pipeline, block), (step, { watermarkMs }) => {
        seen.push([step.plan.id, watermarkMs]);
        return true;
      });
    expect(seen).toEqual([
      ['window', 50],
      ['join', 20],
    ]);
  });

  test.each([
    ['window', 50],
    ['join', 20],
  ])('is not named in the letter of a record that was late for %s alone', (name, watermarkMs) => {
    const reader = new SlotReader(pipeline, 'window', 0, undefined);
    for (const block of blocks) reader.apply(placed(pipeline, block), (step) => step.plan.id !== name);
    expect(reader.letters).toMatchObject([
      { steps: [name], message: expect.stringContaining(`the watermark stood at ${watermarkMs} ms`) },
    ]);
  });

  test('is told which record an output is, by its route and its position', () => {
    const reader = new SlotReader(pipeline, 'window', 0, undefined);
    const outputs = [{ record: 7, at: 1, line: 2, index: 3, route: 'rights/key' }];
    const seen: unknown[] = [];
    reader.apply(placed(pipeline, { at: 1, source: 'rights', shard: 'b', outputs }), (_, output) => {
      const { route, origin, sequence, sub } = output;
      seen.push({ route, origin, sequence, sub });
      return true;
    });
    expect(seen).toEqual([{ route: 'rights/key', origin: 'b', sequence: '7', sub: 2_000_003 }]);
  });
});

describe('a record with several shares', () => {
  const pipeline = compiled('lambda', 'fargate');

  test('is counted as shared by its first output in the first stage alone', () => {
    const outputs = [0, 1].map((index) => ({ record: 1, at: 1, index, shares: 4 }));
    const counts = (['aggregate', 'window'] as const).map((stage) => {
      const reader = new SlotReader(pipeline, stage, 0, undefined);
      reader.apply(placed(pipeline, { at: 1, outputs }), () => true);
      return reader.counts;
    });
    expect(counts).toEqual([
      { counted: 0, late: 0, shared: 1, duplicates: 0 },
      { counted: 0, late: 0, shared: 0, duplicates: 0 },
    ]);
  });

  test('is shared once for each line of a raw record', () => {
    const outputs = [0, 1].map((line) => ({ record: 1, at: 1, line, shares: 2 }));
    const { reader } = read([{ at: 1, outputs }], { pipeline });
    expect(reader.counts.shared).toBe(2);
  });

  test('leaves a mark for each output that all steps of the stage refuse', () => {
    const outputs = [0, 1].map((index) => ({ record: 1, at: index, index, shares: 4 }));
    const { reader } = read([{ at: 1, outputs }], { pipeline, isLate: (_, time) => time === 1 });
    expect(reader.lateMarks).toEqual([
      { source: 'readings', origin: 'a', position: ['1', 1], stage: 'aggregate', shares: 4 },
    ]);
  });
});

describe('what is not of this plan', () => {
  const pipeline = compiled('lambda');

  test('a block of another plan that does not say for whom it is stops the slot', () => {
    const block = placed({ ...pipeline, planHash: 'ffffffffffffffff' }, { at: 1, outputs: [{ record: 1, at: 1 }] });
    expect(() => new SlotReader(pipeline, 'aggregate', 0, undefined).apply(block, () => true)).toThrow(
      /^PLAN_MISMATCH: a block of slot 0 at 00000001\.0011 was made by plan ffffffff, which/,
    );
  });

  test('a block of another number of slots stops the slot', () => {
    const block = placed({ ...pipeline, slots: 32 }, { at: 1 });
    expect(() => new SlotReader(pipeline, 'aggregate', 0, undefined).apply(block, () => true)).toThrow(
      /^SLOTS_MISMATCH: .* 32 slots, and pipeline test has 1/,
    );
  });

  test('a checkpoint of another plan that does not say what its state means stops the slot', () => {
    const { reader } = read([{ at: 1 }], { pipeline });
    const saved = {
      version: 1,
      plan: 'ffff',
      slots: 1,
      ...reader.log.save(),
      counts: reader.counts,
      steps: {},
    } as Checkpoint;
    expect(() => new SlotReader(pipeline, 'aggregate', 0, saved)).toThrow(
      /^PLAN_MISMATCH: the checkpoint of slot 0, stage aggregate, was made by plan ffff/,
    );
  });

  test('an output of a route without a step in this stage is passed over', () => {
    const { seen, reader } = read([{ at: 1, outputs: [{ record: 1, at: 1 }] }], { pipeline: compiled('fargate') });
    expect([seen, reader.counts.counted]).toEqual([[], 0]);
  });
});
