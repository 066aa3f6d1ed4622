import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import { mergeTotals } from '#shared/engine/rows/read.ts';
import { createOperator } from '#shared/engine/slots/memory-stage.ts';
import { milliseconds, sliding, tumbling } from '#shared/pipeline/index.ts';
import { logStart } from '#shared/schemas/position.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { inputOf, keyAs, shownBy, stepOf, TestOperator } from './operators.ts';

const end = Number.MAX_SAFE_INTEGER;
const ten = tumbling(milliseconds(10));
const tenEveryFive = sliding(milliseconds(10), { every: milliseconds(5) });

describe('tumbling windows', () => {
  test('emit nothing before they are closed', () => {
    const made = new TestOperator(stepOf(ten, { lateness: 2 }));
    made.add(0, 1);
    expect([made.advance(11), made.advance(12)]).toEqual([[], ['k [0, 10) 1']]);
  });

  test('emit a window once', () => {
    const made = new TestOperator(stepOf(ten));
    made.add(0, 1);
    expect([made.advance(10), made.advance(20)]).toEqual([['k [0, 10) 1'], []]);
  });

  test('find a key whose place is another one when a base has been written', () => {
    const made = new TestOperator(stepOf(ten));
    made.add(0, 1, 'a');
    made.add(0, 2, 'b');
    made.operator.save();
    made.add(0, 3, 'b');
    made.operator.endSave(true);
    made.add(0, 4, 'b');
    expect(made.advance(10)).toEqual(['a [0, 10) 1', 'b [0, 10) 2 3 4']);
  });

  test('call a record late when its window is closed', () => {
    const made = new TestOperator(stepOf(ten));
    made.advance(10);
    expect([made.add(9, 1), made.add(10, 2)]).toEqual([false, true]);
  });

  test('call a record late when its window is closed and another record of that window is still remembered', () => {
    const made = new TestOperator(stepOf(ten));
    made.add(9, 1);
    made.advance(10);
    expect(made.add(8, 2)).toBe(false);
  });

  test('forget a window that has closed', () => {
    const made = new TestOperator(stepOf(ten));
    made.add(9, 1);
    made.advance(10);
    expect([made.operator.openCount, made.operator.keyCount]).toEqual([0, 0]);
  });

  test('before 1970 are windows like any other', () => {
    const made = new TestOperator(stepOf(ten));
    made.add(-1, 1);
    made.add(-10, 2);
    made.add(-11, 3);
    expect(made.advance(end)).toEqual(['k [-10, 0) 1 2', 'k [-20, -10) 3']);
  });
});

describe('sliding windows', () => {
  test('hold a record in each window over it', () => {
    const made = new TestOperator(stepOf(tenEveryFive));
    made.add(7, 1);
    expect(made.advance(end)).toEqual(['k [0, 10) 1', 'k [5, 15) 1']);
  });

  test('take a record for the windows that are still open', () => {
    const made = new TestOperator(stepOf(tenEveryFive));
    made.advance(10);
    expect([made.add(7, 1), made.advance(end)]).toEqual([true, ['k [5, 15) 1']]);
  });

  test('do not give a record to a window that fired before it came', () => {
    const made = new TestOperator(stepOf(tenEveryFive));
    made.add(7, 1);
    expect(made.advance(10)).toEqual(['k [0, 10) 1']);
    made.add(7, 2);
    expect(made.advance(end)).toEqual(['k [5, 15) 1 2']);
  });

  test('do not fire empty', () => {
    const made = new TestOperator(stepOf(tenEveryFive));
    made.add(100, 1);
    expect(made.advance(end)).toEqual(['k [100, 110) 1', 'k [95, 105) 1']);
  });
});

interface Step {
  readonly timeMs: number;
  readonly key: string;
  readonly watermarkMs: number;
}

const steps = fc.array(
  fc.record({
    timeMs: fc.integer({ min: -25, max: 50 }),
    key: fc.constantFrom('a', 'b', 'c'),
    watermarkMs: fc.integer({ min: -25, max: 60 }),
  }),
  { maxLength: 25 },
);
const anyWindow = fc
  .tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }))
  .map(([a, b]) => sliding(milliseconds(Math.max(a, b)), { every: milliseconds(Math.min(a, b)) }));
/** With and without aggregators that can be taken away again, which decides how windows that overlap are merged. */
const leaves = fc.boolean();

function observe(made: TestOperator, all: readonly Step[], restartEvery = 0, deltasMax = 0): unknown {
  const seen: unknown[] = [];
  for (const [index, { timeMs, key, watermarkMs }] of all.entries()) {
    seen.push(made.add(timeMs, index, key), made.advance(watermarkMs));
    if (restartEvery > 0 && index % restartEvery === 0) made.restart(deltasMax);
  }
  return [...seen, made.advance(end)];
}

/** A base is always being written: the next one begins when it ends. */
function observeBases(made: TestOperator, all: readonly Step[], baseEvery: number): unknown {
  const seen: unknown[] = [];
  for (const [index, { timeMs, key, watermarkMs }] of all.entries()) {
    if (index % baseEvery === 0) {
      if (index > 0) made.operator.endSave(index % 2 === 0);
      if (index % 3 !== 0) made.operator.save();
    }
    seen.push(made.add(timeMs, index, key), made.advance(watermarkMs));
  }
  return [...seen, made.advance(end)];
}

/** Every window has its own list of records: what slices must not be told from. */
function naive(window: ReturnType<typeof sliding>, lateness: number, all: readonly Step[]): unknown {
  const held = new Map<string, { readonly startMs: number; readonly key: string; readonly amounts: number[] }>();
  const seen: unknown[] = [];
  let watermark = Number.NEGATIVE_INFINITY;
  const isClosed = (startMs: number): boolean => watermark >= startMs + window.sizeMs + lateness;
  const close = (to: number): readonly string[] => {
    watermark = Math.max(watermark, to);
    const rows: string[] = [];
    for (const [name, { startMs, key, amounts }] of held) {
      if (!isClosed(startMs)) continue;
      rows.push(`${key} [${startMs}, ${startMs + window.sizeMs}) ${amounts.join(' ')}`);
      held.delete(name);
    }
    return rows.sort();
  };
  for (const [index, { timeMs, key, watermarkMs }] of all.entries()) {
    let taken = false;
    for (let startMs = -60 * window.slideMs; startMs <= timeMs; startMs += window.slideMs) {
      if (timeMs >= startMs + window.sizeMs || isClosed(startMs)) continue;
      taken = true;
      const cell = held.get(`${startMs}/${key}`) ?? { startMs, key, amounts: [] };
      cell.amounts.push(index);
      held.set(`${startMs}/${key}`, cell);
    }
    seen.push(taken, close(watermarkMs));
  }
  return [...seen, close(end)];
}

describe('any windows, records and watermarks', () => {
  test.each([0, 4])(
    'with a lateness of %d give by slices what whole windows give',
    { timeout: fuzzTimeoutMs },
    (lateness) => {
      fc.assert(
        fc.property(anyWindow, steps, leaves, (window, all, leaves) => {
          const made = new TestOperator(stepOf(window, { lateness, leaves }));
          expect(observe(made, all)).toEqual(naive(window, lateness, all));
        }),
        { numRuns: 2_500 },
      );
    },
  );

  test('give the same when the state is saved and restored in the middle', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(anyWindow, steps, fc.integer({ min: 1, max: 4 }), leaves, (window, all, restartEvery, leaves) => {
        const step = stepOf(window, { lateness: 2, leaves });
        expect(observe(new TestOperator(step), all, restartEvery)).toEqual(observe(new TestOperator(step), all));
      }),
      { numRuns: 1_500 },
    );
  });

  test('give the same while bases are written, whether they are stored or not', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(anyWindow, steps, fc.integer({ min: 1, max: 4 }), leaves, (window, all, baseEvery, leaves) => {
        const step = stepOf(window, { lateness: 2, leaves });
        expect(observeBases(new TestOperator(step), all, baseEvery)).toEqual(observe(new TestOperator(step), all));
      }),
      { numRuns: 1_500 },
    );
  });

  test('give the same when the state is restored from a base and deltas', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(
        anyWindow,
        steps,
        fc.integer({ min: 1, max: 4 }),
        fc.nat(6),
        (window, all, restartEvery, deltasMax) => {
          const step = stepOf(window, { lateness: 2, totals: true });
          expect(observe(new TestOperator(step), all, restartEvery, deltasMax)).toEqual(
            observe(new TestOperator(step), all),
          );
        },
      ),
      { numRuns: 2_500 },
    );
  });
});

describe('a refresh', () => {
  const refreshing = (window = ten): TestOperator => new TestOperator(stepOf(window, { refresh: 5 }));

  test('comes at the cadence and not before', () => {
    const made = refreshing();
    made.add(0, 1, 'k', 4);
    expect([made.refresh(4), made.refresh(5)]).toEqual([[], ['k [0, 10) 1']]);
  });

  test('emits only the keys that changed since the last', () => {
    const made = refreshing();
    made.add(0, 1, 'a', 0);
    made.add(0, 2, 'b', 0);
    made.refresh(10);
    made.add(1, 3, 'b', 11);
    expect(made.refresh(15)).toEqual(['b [0, 10) 2 3']);
  });

  test('emits nothing when nothing changed', () => {
    const made = refreshing();
    made.add(0, 1, 'a', 0);
    made.refresh(10);
    expect(made.refresh(20)).toEqual([]);
  });

  test('shows a change that came at the very time of the last refresh', () => {
    const made = refreshing();
    made.add(0, 1, 'a', 10);
    made.refresh(10);
    made.add(1, 2, 'a', 10);
    expect(made.refresh(15)).toEqual(['a [0, 10) 1 2']);
  });

  test('shows a sliding window whole, though only one of its slices changed', () => {
    const made = refreshing(tenEveryFive as never);
    made.add(0, 1, 'a', 0);
    made.refresh(10);
    made.add(5, 2, 'a', 11);
    expect(made.refresh(15)).toEqual(['a [0, 10) 1 2', 'a [5, 15) 2']);
  });

  test('does not show a window that has closed', () => {
    const made = refreshing();
    made.add(0, 1, 'a', 4);
    made.advance(10);
    expect(made.refresh(10)).toEqual([]);
  });

  test('goes on from where it was after a restart', () => {
    const made = refreshing();
    made.add(0, 1, 'a', 0);
    made.refresh(10);
    made.restart();
    made.add(1, 2, 'b', 12);
    expect([made.refresh(14), made.refresh(15)]).toEqual([[], ['b [0, 10) 2']]);
  });
});

describe('a total over all keys', () => {
  test.each([
    ['tumbling', ten, 15],
    ['sliding', tenEveryFive, 15],
  ] as const)('of a %s window is the sum of its keys, also after a restart', (_, window, expected) => {
    const step = stepOf(window, { totals: true });
    const made = new TestOperator(step);
    for (const [index, key] of ['a', 'b', 'c', 'a', 'b'].entries()) {
      made.add(index, index + 1, key);
      made.restart(index);
    }
    expect(totalsAt(made, step, 0)).toEqual([expected]);
  });

  test('is emitted with every refresh that changed it, and not otherwise', () => {
    const step = stepOf(ten, { totals: true, refresh: 5 });
    const operator = createOperator(step);
    const values: unknown[] = [];
    for (const [index, input] of step.inputs.entries())
      values[input] = step.aggregators[index]?.select({ amount: 1 }, 0);
    operator.add(inputOf({ key: keyAs('key=a'), timeMs: 0, values }));
    const shown = [5, 10, 15].map((clockMs) =>
      shownBy((emission) => operator.refresh({ slot: 0, position: logStart, clockMs }, emission)),
    );
    expect(shown.flatMap(({ totals }) => totals)).toHaveLength(1);
  });
});

/** The totals that closing everything emits for the window that starts at `startMs`. */
function totalsAt(made: TestOperator, step: CompiledAggregate, startMs: number): readonly number[] {
  return shownBy((emission) => made.operator.advance(end, { slot: 0, position: logStart, clockMs: 0 }, emission))
    .totals.filter((total) => total.windowStartMs === startMs)
    .map((total) => mergeTotals(step, [total])['total'] as number);
}
