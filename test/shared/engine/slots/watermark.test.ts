import { describe, expect, test } from 'vitest';
import { type CompiledStep, compile } from '#shared/engine/compile/compile.ts';
import { beginLog, moveLog } from '#shared/engine/slots/reslot.ts';
import { SlotLog } from '#shared/engine/slots/watermark.ts';
import { count, milliseconds, tumbling } from '#shared/pipeline/index.ts';
import { logEnd, logPosition, sequenceInLog, subMax } from '#shared/schemas/position.ts';
import type { Checkpoint } from '#shared/schemas/state.ts';
import { columns, pipelineOf, readings, sink } from '../../readings.ts';
import { placed } from './blocks.ts';
import { apply, type Case, compiled, none, restored, type Step, split, two, watermarks } from './slot-logs.ts';

/** a and b were merged into c. */
const merged = { a: [], b: [], c: ['a', 'b'] };

const cases: readonly Case[] = [
  ['one origin: W is its watermark', [{ at: 1, watermark: 5 }], [5]],
  ['a block without any event time leaves W', [{ at: 1, watermark: null }], [none]],
  [
    'an origin never falls back',
    [
      { at: 1, watermark: 5 },
      { at: 2, watermark: 3 },
    ],
    [5, 5],
  ],
  [
    'two origins: W is the lower one',
    [
      { at: 1, shard: 'a', roster: two, watermark: 5 },
      { at: 2, shard: 'b', roster: two, watermark: 3 },
    ],
    [none, 3],
  ],
  ['a listed root that was not seen counts as minus infinity', [{ at: 1, roster: two, watermark: 5 }], [none]],
  [
    'W never falls back when a root is listed later',
    [
      { at: 1, watermark: 5 },
      { at: 2, roster: two, watermark: 7 },
    ],
    [5, 5],
  ],
  [
    "an origin's first block retires its parent",
    [
      { at: 1, shard: 'a', roster: split, watermark: 5 },
      { at: 2, shard: 'b', roster: split, watermark: 9 },
      { at: 3, shard: 'c', roster: split, watermark: 7 },
    ],
    [5, 5, 7],
  ],
  [
    'unseen children of a living parent hold nothing: the parent does',
    [
      { at: 1, shard: 'a', roster: split, watermark: 5 },
      { at: 2, shard: 'a', roster: split, watermark: 6 },
    ],
    [5, 6],
  ],
  [
    "an unseen child of a retired parent holds at the parent's watermark",
    [
      { at: 1, shard: 'a', roster: split, watermark: 5 },
      { at: 2, shard: 'b', roster: split, watermark: 9 },
    ],
    [5, 5],
  ],
  [
    'a late block of a retired origin does not revive it',
    [
      { at: 1, shard: 'a', roster: split, watermark: 5 },
      { at: 2, shard: 'b', roster: split, watermark: 9 },
      { at: 3, shard: 'c', roster: split, watermark: 9 },
      { at: 4, shard: 'a', roster: split, watermark: 6 },
      { at: 5, shard: 'b', roster: split, watermark: 10 },
      { at: 6, shard: 'c', roster: split, watermark: 11 },
    ],
    [5, 5, 9, 9, 9, 10],
  ],
  [
    'a late block of a retired origin lifts what its unseen child holds',
    [
      { at: 1, shard: 'a', roster: split, watermark: 5 },
      { at: 2, shard: 'b', roster: split, watermark: 9 },
      { at: 3, shard: 'a', roster: split, watermark: 8 },
    ],
    [5, 5, 8],
  ],
  [
    'a merge retires both parents',
    [
      { at: 1, shard: 'a', roster: merged, watermark: 5 },
      { at: 2, shard: 'b', roster: merged, watermark: 3 },
      { at: 3, shard: 'c', roster: merged, watermark: 9 },
    ],
    [none, 3, 9],
  ],
  [
    'a grandchild retires ancestors that were never seen',
    [{ at: 1, shard: 'c', roster: { a: [], b: ['a'], c: ['b'] }, watermark: 9 }],
    [9],
  ],
  [
    "an unseen child of an unseen retired parent holds at the grandparent's watermark",
    [
      { at: 1, shard: 'a', roster: { a: [] }, watermark: 4 },
      { at: 2, shard: 'c', roster: { a: [], b: ['a'], c: ['b'], d: ['b'] }, watermark: 9 },
      { at: 3, shard: 'a', roster: { a: [] }, watermark: 8 },
    ],
    [4, 4, 8],
  ],
  [
    'parents that have left the list are no reason to wait',
    [{ at: 1, shard: 'c', roster: { c: ['gone'] }, watermark: 9 }],
    [9],
  ],
  [
    'an origin that was retired before it is seen does not hold W down',
    [
      { at: 1, shard: 'b', roster: split, watermark: 9 },
      { at: 2, shard: 'c', roster: split, watermark: 8 },
      { at: 3, shard: 'a', roster: split, watermark: 2 },
    ],
    [none, 8, 8],
  ],
  [
    'the first block of an origin that was retired unseen retires what only now turns out to be its ancestor',
    [
      { at: 1, shard: 'c', roster: { c: ['b'] }, watermark: 9 },
      { at: 2, shard: 'b', roster: { a: [], b: ['a'], c: ['b'] }, watermark: 5 },
      { at: 3, shard: 'c', roster: { c: ['b'] }, watermark: 12 },
    ],
    [9, 9, 12],
  ],
];

describe('the watermark of a slot', () => {
  test.each(cases)('%s', (_, steps, expected) => {
    expect(watermarks(steps)).toEqual(expected);
  });

  test.each(cases)('saved and restored between any two blocks: %s', (_, steps, expected) => {
    expect(restored(steps)).toEqual(expected);
  });

  test('without idleAfter a silent origin is waited for for ever', () => {
    const steps = [
      { at: 1, shard: 'a', roster: two, watermark: 5, arrival: 0 },
      { at: 2, shard: 'b', roster: two, watermark: 9, arrival: 1e12 },
    ];
    expect(watermarks(steps)).toEqual([none, 5]);
  });
});

const idleAfter = 60_000;

describe('the watermark of a join of two sources', () => {
  const keyed = (name: string) => readings({ name, idleAfter }).keyBy((reading) => ({ key: reading.key }));
  const join = keyed('lefts')
    .join(keyed('rights'), { within: [milliseconds(0), milliseconds(1)], allowedLateness: milliseconds(0) })
    .select('join', { left: {}, right: {} })
    .to(sink);
  const pipeline = compile(pipelineOf([join]));

  /** W of the join behind each block, with the log saved as JSON and restored between any two. */
  function watermarksOfJoin(...steps: readonly Step[]): readonly number[] {
    let saved: Checkpoint | undefined;
    return steps.map((step) => {
      const log = new SlotLog(pipeline, saved);
      apply(log, pipeline, step, 'lefts');
      saved = JSON.parse(JSON.stringify(log.save()));
      return log.watermarkOfStep(pipeline.steps[0] as CompiledStep);
    });
  }

  const lefts = (at: number, watermark: number, arrival = at) => ({ at, source: 'lefts', watermark, arrival });
  const rights = (at: number, watermark: number, arrival = at) => ({ at, source: 'rights', watermark, arrival });

  test('is the lower one of theirs', () => {
    expect(watermarksOfJoin(lefts(1, 9), rights(2, 5), rights(3, 12), lefts(4, 20))).toEqual([none, 5, 9, 12]);
  });

  test('does not wait for a source that has fallen silent, one millisecond behind idleAfter', () => {
    expect(watermarksOfJoin(rights(1, 5, 0), lefts(2, 9, idleAfter), lefts(3, 11, idleAfter + 1))).toEqual([
      none,
      5,
      11,
    ]);
  });

  test('stays where it is when a source that was silent speaks again from behind', () => {
    expect(
      watermarksOfJoin(
        rights(1, 5, 0),
        lefts(2, 9, idleAfter + 1),
        rights(3, 6, idleAfter + 2),
        rights(4, 30, idleAfter + 3),
        lefts(5, 10, idleAfter + 4),
      ),
    ).toEqual([none, 9, 9, 9, 10]);
  });

  test('stays where it is when both are silent', () => {
    expect(watermarksOfJoin(rights(1, 5, 0), lefts(2, 9, 0), { tick: idleAfter * 10, at: 3 })).toEqual([none, 5, 5]);
  });

  test('waits for a source that was never heard of', () => {
    expect(watermarksOfJoin(lefts(1, 9, 0), lefts(2, 11, idleAfter * 10))).toEqual([none, none]);
  });
});

test('a block of a source that the plan no longer has moves the clock alone', () => {
  const pipeline = compiled();
  const { block } = placed(pipeline, { at: 1, source: 'others' });
  const log = new SlotLog(pipeline, undefined);
  expect(log.open(block, 5)).toBeNull();
  log.close(block, logPosition(1, '1'));
  expect([log.clockMs, log.save().sources['readings']?.origins]).toEqual([5, {}]);
});

test('of rows that were put before a savepoint was restored nothing is heard, and what is put since is', () => {
  const pipeline = compiled();
  const before = new SlotLog(pipeline, undefined);
  apply(before, pipeline, { at: 1, watermark: 5 });
  const counts = { counted: 0, late: 0, shared: 0, duplicates: 0 };
  const saved = { version: 1, plan: '', slots: 1, groups: 1, counts, steps: {}, ...before.save() } as Checkpoint;
  const position = logEnd(7);
  const moved = moveLog({ slots: 1, groups: 1 }, [saved], { slot: 0, position, isFirst: true, rawSources: [] });
  const log = new SlotLog(pipeline, JSON.parse(JSON.stringify(moved)) as Checkpoint);
  const toOf = (generation: number): readonly [string, number] => [sequenceInLog(logPosition(generation, '9')), subMax];
  // The deployment before may have gone on, with slots that are no more.
  const former = placed(pipeline, { at: 1, generation: 8, to: toOf(7), watermark: 90, roster: two });
  expect(log.open(former.block, 1)).toEqual(toOf(7));
  log.close(former.block, former.position);
  expect([log.watermarkOf('readings'), log.save().sources['readings']]).toEqual([
    5,
    { watermarkMs: 5, since: sequenceInLog(position), roster: {}, origins: {} },
  ]);
  // What a slot tells as soon as it goes on stands where it was restored.
  expect(apply(log, pipeline, { at: 2, to: [sequenceInLog(position), subMax], watermark: 6 })).toBe(6);
  expect(apply(log, pipeline, { at: 3, to: toOf(8), watermark: 8 })).toBe(8);
});

test('a slot of which a savepoint has no state does not hear rows of before either, where it reads any', () => {
  const chained = compile(
    pipelineOf([
      readings()
        .keyBy(({ key }) => ({ key }))
        .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), emit: 'on-close' })
        .aggregate('first', columns)
        .asStream()
        .keyBy(() => ({ all: 'all' }))
        .window(tumbling(milliseconds(100)), {
          allowedLateness: milliseconds(0),
          emit: 'on-close',
          placement: 'fargate',
        })
        .aggregate('second', { rows: count() })
        .to(sink),
    ]),
  );
  const log = beginLog(chained, { stage: 'window', plan: '', position: logEnd(7) });
  const since = sequenceInLog(logEnd(7));
  expect(log?.sources).toEqual({ first: { watermarkMs: null, roster: {}, origins: {}, since } });
  expect(beginLog(compiled(), { stage: 'aggregate', plan: '', position: logEnd(7) })).toBeUndefined();
});
