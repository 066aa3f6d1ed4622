import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CompiledJoin, compile } from '#shared/engine/compile/compile.ts';
import { IntervalJoin } from '#shared/engine/operators/join.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { type JoinKind, milliseconds } from '#shared/pipeline/index.ts';
import { logStart } from '#shared/schemas/position.ts';
import type { Row } from '#shared/schemas/row.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { pipelineOf, readings, sink } from '../../readings.ts';
import { inputOf, keyAs, shownBy } from './operators.ts';

const end = Number.MAX_SAFE_INTEGER;

interface Shape {
  readonly kind?: JoinKind;
  readonly lower?: number;
  readonly upper?: number;
  readonly lateness?: number;
}

function stepOf({ kind = 'inner', lower = 0, upper = 10, lateness = 0 }: Shape): CompiledJoin {
  const keyed = (name: string) => readings({ name }).keyBy((reading) => ({ key: reading.key }));
  const output = keyed('lefts')
    .join(keyed('rights'), {
      within: [milliseconds(lower), milliseconds(upper)],
      kind,
      allowedLateness: milliseconds(lateness),
    })
    .select('step', { left: { l: (reading) => reading.amount }, right: { r: (reading) => reading.amount } })
    .to(sink);
  const [step] = compile(pipelineOf([output])).steps;
  return step as CompiledJoin;
}

type Side = 'left' | 'right';

/** A join with a watermark that the test moves. Each record has a number of its own, which is its value and its position. */
class TestJoin {
  readonly #step: CompiledJoin;
  operator: IntervalJoin;
  readonly rows: Row[] = [];
  #watermarkMs = Number.NEGATIVE_INFINITY;
  #chain: readonly (readonly Json[])[] = [];

  constructor(shape: Shape = {}) {
    this.#step = stepOf(shape);
    this.operator = new IntervalJoin(this.#step);
  }

  /** False: it was late. */
  add(side: Side, timeMs: number, number: number, key = 'k'): boolean {
    const { route, inputs } = this.#step[side];
    const values: unknown[] = [];
    for (const input of inputs) values[input] = number;
    const from = { route, origin: 'shard', sequence: String(number), sub: 0 };
    return this.operator.add(
      inputOf({ key: keyAs(`key=${key}`), timeMs, values, watermarkMs: this.#watermarkMs, ...from }),
    );
  }

  /** Moves the watermark and gives the new rows as `key left-right`, with `.` for nobody. */
  advance(watermarkMs = Number.NEGATIVE_INFINITY): readonly string[] {
    this.#watermarkMs = Math.max(this.#watermarkMs, watermarkMs);
    const context = { slot: 0, position: logStart, clockMs: 0 };
    const emission = shownBy((into) => this.operator.advance(this.#watermarkMs, context, into));
    this.rows.push(...emission.rows);
    return emission.rows
      .map(({ key, columns }) => `${key.slice('key='.length)} ${columns['l'] ?? '.'}-${columns['r'] ?? '.'}`)
      .sort();
  }

  /**
   * Saves the state as JSON, as a delta while the chain has fewer than `deltasMax`. Then goes on as what the chain restores or, every other
   * time of a chain, as it was: it must have noted what the next delta needs.
   */
  restart(deltasMax = 0): void {
    const isDelta = this.#chain.length > 0 && this.#chain.length <= deltasMax;
    const entries = isDelta ? this.operator.saveChanges() : this.operator.save();
    const saved = JSON.parse(JSON.stringify([...entries])) as readonly Json[];
    this.#chain = isDelta ? [...this.#chain, saved] : [saved];
    if (!isDelta) this.operator.endSave(true);
    if (this.#chain.length % 2 === 1) {
      this.operator = new IntervalJoin(this.#step);
      for (const entry of this.#chain.flat()) this.operator.restore(entry);
      this.operator.endRestore();
    }
    this.operator.markSaved();
  }
}

/** What a left record at 100 and one right record become, whichever comes first. */
function pairOf(rightMs: number, shape: Shape): readonly (readonly string[])[] {
  const leftFirst = new TestJoin(shape);
  leftFirst.add('left', 100, 1);
  leftFirst.add('right', rightMs, 2);
  const rightFirst = new TestJoin(shape);
  rightFirst.add('right', rightMs, 2);
  rightFirst.add('left', 100, 1);
  return [leftFirst.advance(), rightFirst.advance()];
}

describe('two records of one key join', () => {
  //  within [-5, 10]:   [95 ... 100 ... 110]
  const shape = { lower: -5, upper: 10 };
  test.each([95, 100, 110])('when the right one is at %d', (rightMs) => {
    expect(pairOf(rightMs, shape)).toEqual([['k 1-2'], ['k 1-2']]);
  });
  test.each([94, 111])('but not when the right one is at %d', (rightMs) => {
    expect(pairOf(rightMs, shape)).toEqual([[], []]);
  });
  test('also when the whole interval lies before the left one', () => {
    expect([84, 85, 90, 91].map((rightMs) => pairOf(rightMs, { lower: -15, upper: -10 })[0])).toEqual([
      [],
      ['k 1-2'],
      ['k 1-2'],
      [],
    ]);
  });
  test('also when the whole interval lies behind the left one', () => {
    expect([109, 110, 115, 116].map((rightMs) => pairOf(rightMs, { lower: 10, upper: 15 })[1])).toEqual([
      [],
      ['k 1-2'],
      ['k 1-2'],
      [],
    ]);
  });
});

test('records of two keys never join', () => {
  const made = new TestJoin({ kind: 'full' });
  made.add('left', 0, 1, 'a');
  made.add('right', 0, 2, 'b');
  expect(made.advance(end)).toEqual(['a 1-.', 'b .-2']);
});

test('every pair is a row, with a name of its own', () => {
  const made = new TestJoin();
  for (const number of [1, 2]) made.add('left', 0, number);
  for (const number of [3, 4]) made.add('right', 0, number);
  expect(made.advance()).toEqual(['k 1-3', 'k 1-4', 'k 2-3', 'k 2-4']);
  expect(new Set(made.rows.map(({ id }) => id)).size).toBe(4);
});

test('a row is final, and says when its records were and what they gave', () => {
  const made = new TestJoin({ lower: -10 });
  made.add('left', 1_005, 1);
  made.add('right', 1_000, 2);
  made.advance();
  expect(made.rows).toEqual([
    {
      view: 'step',
      key: 'key=k',
      windowStartMs: 1_000,
      windowEndMs: 1_005,
      id: 'shard/1/0+shard/2/0',
      final: true,
      position: logStart,
      columns: { leftTime: '1970-01-01T00:00:01.005Z', rightTime: '1970-01-01T00:00:01.000Z', l: 1, r: 2 },
      expiresMs: 3_600_000,
    },
  ]);
});

describe('an unmatched record', () => {
  const given = (kind: JoinKind): TestJoin => {
    const made = new TestJoin({ kind, lower: -5, upper: 10, lateness: 3 });
    made.add('left', 100, 1);
    made.add('right', 200, 2);
    return made;
  };

  test('gives no row in an inner join', () => {
    expect(given('inner').advance(end)).toEqual([]);
  });

  test('gives one in a left join when it is a left one', () => {
    expect(given('left').advance(end)).toEqual(['k 1-.']);
  });

  test('gives one in a full join', () => {
    expect(given('full').advance(end)).toEqual(['k .-2', 'k 1-.']);
  });

  test('gives it when all that may join it would be late, and not a millisecond before', () => {
    const made = given('full');
    //  left at 100: up to 110 + 3        right at 200: up to 205 + 3
    expect([113, 114, 208, 209].map((watermarkMs) => made.advance(watermarkMs))).toEqual([
      [],
      ['k 1-.'],
      [],
      ['k .-2'],
    ]);
  });

  test('has null for the columns and the time of the other side', () => {
    const made = given('full');
    made.advance(end);
    expect(
      made.rows.map(({ id, windowStartMs, windowEndMs, columns }) => [id, windowStartMs, windowEndMs, columns]),
    ).toEqual([
      ['shard/1/0+', 100, 100, { leftTime: '1970-01-01T00:00:00.100Z', rightTime: null, l: 1, r: null }],
      ['+shard/2/0', 200, 200, { leftTime: null, rightTime: '1970-01-01T00:00:00.200Z', l: null, r: 2 }],
    ]);
  });

  test('gives none once it has had a partner, also after a restart', () => {
    const made = given('full');
    made.add('right', 105, 3);
    expect(made.advance()).toEqual(['k 1-3']);
    made.restart();
    expect(made.advance(end)).toEqual(['k .-2']);
  });
});

describe('lateness', () => {
  const made = (): TestJoin => new TestJoin({ kind: 'full', lower: -5, upper: 10, lateness: 3 });

  test.each<Side>(['left', 'right'])(
    'a %s record is late more than the allowed lateness behind the watermark',
    (side) => {
      const join = made();
      join.advance(104);
      expect([join.add(side, 100, 1), join.add(side, 101, 2)]).toEqual([false, true]);
    },
  );

  test('a late record joins nobody and gives no row', () => {
    const join = made();
    join.add('right', 110, 1);
    join.advance(104);
    join.add('left', 100, 2);
    expect(join.advance(end)).toEqual(['k .-1']);
  });

  test('the latest record that is not late still meets the earliest that it may join', () => {
    const join = made();
    join.add('left', 100, 1);
    expect(join.advance(113)).toEqual([]);
    expect(join.add('right', 110, 2)).toBe(true);
    expect(join.advance(114)).toEqual(['k 1-2']);
  });
});

describe('what is held', () => {
  test('is counted by key and by record', () => {
    const made = new TestJoin();
    made.add('left', 0, 1, 'a');
    made.add('left', 1, 2, 'a');
    made.add('right', 0, 3, 'b');
    expect([made.operator.keyCount, made.operator.openCount]).toEqual([2, 3]);
  });

  test('is nothing after the end', () => {
    const made = new TestJoin();
    for (const side of ['left', 'right'] as const) for (const timeMs of [5, 0, 5, 9]) made.add(side, timeMs, timeMs);
    made.advance(end);
    expect([made.operator.keyCount, made.operator.openCount, [...made.operator.save()]]).toEqual([0, 0, []]);
  });
});

test('a save of what has changed holds that alone, and what has gone', () => {
  const made = new TestJoin({ kind: 'full' });
  made.add('left', 0, 1);
  made.add('left', 50, 2);
  made.operator.markSaved();
  made.add('right', 55, 3);
  made.advance(20);
  expect([...made.operator.saveChanges()]).toEqual([
    [
      ['key=k', 'left', 50, [['shard/2/0', true, [2]]]],
      ['key=k', 'left', 0, []],
      ['key=k', 'right', 55, [['shard/3/0', true, [3]]]],
    ],
  ]);
});

interface Step {
  readonly side: Side;
  readonly timeMs: number;
  readonly key: string;
  readonly watermarkMs: number;
}

const steps = fc.array(
  fc.record({
    side: fc.constantFrom<Side>('left', 'right'),
    timeMs: fc.integer({ min: -20, max: 40 }),
    key: fc.constantFrom('a', 'b'),
    watermarkMs: fc.integer({ min: -30, max: 50 }),
  }),
  { maxLength: 25 },
);
const shapes = fc
  .record({
    kind: fc.constantFrom<JoinKind>('inner', 'left', 'full'),
    bounds: fc.tuple(fc.integer({ min: -12, max: 12 }), fc.integer({ min: -12, max: 12 })),
    lateness: fc.integer({ min: 0, max: 6 }),
  })
  .map(({ kind, bounds, lateness }) => ({ kind, lateness, lower: Math.min(...bounds), upper: Math.max(...bounds) }));

/** Everything that is seen from outside: who was late, and which rows came when. */
function observe(made: TestJoin, all: readonly Step[], restartEvery: number, deltasMax = 0): readonly unknown[] {
  const seen: unknown[] = [];
  for (const [index, { side, timeMs, key, watermarkMs }] of all.entries()) {
    seen.push(made.add(side, timeMs, index, key), made.advance(watermarkMs));
    if (restartEvery > 0 && index % restartEvery === 0) made.restart(deltasMax);
  }
  return [...seen, made.advance(end)];
}

/** The rule, read word by word over a plain list of all that was not late. */
function naive(all: readonly Step[], { kind, lower, upper, lateness }: Required<Shape>): readonly string[] {
  let watermark = Number.NEGATIVE_INFINITY;
  const taken = all.flatMap((step, number) => {
    const isLate = step.timeMs + lateness < watermark;
    watermark = Math.max(watermark, step.watermarkMs);
    return isLate ? [] : [{ ...step, number }];
  });
  const lefts = taken.filter(({ side }) => side === 'left');
  const rights = taken.filter(({ side }) => side === 'right');
  const joins = (left: Step, right: Step): boolean =>
    left.key === right.key && right.timeMs - left.timeMs >= lower && right.timeMs - left.timeMs <= upper;
  return [
    ...lefts.flatMap((left) =>
      rights.filter((right) => joins(left, right)).map((right) => `${left.key} ${left.number}-${right.number}`),
    ),
    ...(kind === 'inner' ? [] : lefts)
      .filter((left) => !rights.some((right) => joins(left, right)))
      .map((left) => `${left.key} ${left.number}-.`),
    ...(kind === 'full' ? rights : [])
      .filter((right) => !lefts.some((left) => joins(left, right)))
      .map((right) => `${right.key} .-${right.number}`),
  ].sort();
}

describe('any records and watermarks', () => {
  test('give what the rule gives', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(steps, shapes, (all, shape) => {
        const rows = observe(new TestJoin(shape), all, 0).filter((seen) => Array.isArray(seen));
        expect(rows.flat().sort()).toEqual(naive(all, shape));
      }),
      { numRuns: 10_000 },
    );
  });

  test('give the same when the state is saved and restored in the middle, from a base and deltas', {
    timeout: fuzzTimeoutMs,
  }, () => {
    fc.assert(
      fc.property(steps, shapes, fc.integer({ min: 1, max: 5 }), fc.nat(3), (all, shape, restartEvery, deltasMax) => {
        expect(observe(new TestJoin(shape), all, restartEvery, deltasMax)).toEqual(
          observe(new TestJoin(shape), all, 0),
        );
      }),
      { numRuns: 2_000 },
    );
  });
});
