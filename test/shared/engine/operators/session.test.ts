import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { milliseconds, session } from '#shared/pipeline/index.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { stepOf, TestOperator } from './operators.ts';

const gapMs = 10;
const end = Number.MAX_SAFE_INTEGER;

function sessions(lateness = 0): TestOperator {
  return new TestOperator(stepOf(session({ gap: milliseconds(gapMs) }), { lateness }));
}

/** What some records become when none is late, in this order. */
function rowsOf(...times: readonly number[]): readonly string[] {
  const made = sessions();
  for (const [index, timeMs] of times.entries()) made.add(timeMs, index);
  return made.advance(end);
}

describe('records of one key', () => {
  test('exactly a gap apart are one session', () => {
    expect(rowsOf(0, 10)).toEqual(['k [0, 20) 0 1']);
  });

  test('a millisecond further apart are two', () => {
    expect(rowsOf(0, 11)).toEqual(['k [0, 10) 0', 'k [11, 21) 1']);
  });

  test('exactly a gap apart are one session when they come in the other order', () => {
    expect(rowsOf(10, 0)).toEqual(['k [0, 20) 0 1']);
  });

  test('at one time are one session', () => {
    expect(rowsOf(5, 5)).toEqual(['k [5, 15) 0 1']);
  });

  test('become one session when a record bridges two', () => {
    expect(rowsOf(0, 20, 10)).toEqual(['k [0, 30) 0 1 2']);
  });

  test('become one session when records bridge three', () => {
    expect(rowsOf(0, 20, 40, 10, 30)).toEqual(['k [0, 50) 0 1 2 3 4']);
  });

  test('do not shorten a session that they fall into', () => {
    expect(rowsOf(0, 10, 1)).toEqual(['k [0, 20) 0 1 2']);
  });

  test('before 1970 are a session like any other', () => {
    expect(rowsOf(-15, -5)).toEqual(['k [-15, 5) 0 1']);
  });
});

test('records of two keys never meet', () => {
  const made = sessions();
  made.add(0, 1, 'a');
  made.add(0, 2, 'b');
  expect(made.advance(end)).toEqual(['a [0, 10) 1', 'b [0, 10) 2']);
});

describe('lateness', () => {
  test('a record is late when the session it would be alone is closed', () => {
    const made = sessions(5);
    made.advance(15);
    expect(made.add(0, 1)).toBe(false);
  });

  test('a record is not late one millisecond before', () => {
    const made = sessions(5);
    made.advance(14);
    expect(made.add(0, 1)).toBe(true);
  });

  test('an old record is taken by an open session that it touches', () => {
    const made = sessions();
    made.add(10, 1);
    made.advance(15);
    expect([made.add(0, 2), made.advance(end)]).toEqual([true, ['k [0, 20) 1 2']]);
  });

  test('an old record is not taken by the open session of another key', () => {
    const made = sessions();
    made.add(10, 1, 'a');
    made.advance(15);
    expect(made.add(0, 2, 'b')).toBe(false);
  });

  test('a record does not join a session that has closed', () => {
    const made = sessions();
    made.add(0, 1);
    expect(made.advance(11)).toEqual(['k [0, 10) 1']);
    made.add(10, 2);
    expect(made.advance(end)).toEqual(['k [10, 20) 2']);
  });

  test('a record at the very end of a session is still taken at a watermark that stands there', () => {
    const made = sessions();
    made.add(0, 1);
    expect(made.advance(10)).toEqual([]);
    made.add(10, 2);
    expect(made.advance(end)).toEqual(['k [0, 20) 1 2']);
  });

  test('a session that has grown does not close at its old end', () => {
    const made = sessions();
    made.add(0, 1);
    made.add(8, 2);
    expect([made.advance(12), made.advance(19)]).toEqual([[], ['k [0, 18) 1 2']]);
  });

  test('a session that was bridged away does not close on its own', () => {
    const made = sessions();
    for (const [index, timeMs] of [0, 20, 10].entries()) made.add(timeMs, index);
    expect([made.advance(25), made.advance(31)]).toEqual([[], ['k [0, 30) 0 1 2']]);
  });
});

describe('what is open', () => {
  test('is one session after a bridge', () => {
    const made = sessions();
    for (const timeMs of [0, 20, 10]) made.add(timeMs, 1);
    expect([made.operator.openCount, made.operator.keyCount]).toEqual([1, 1]);
  });

  test('is nothing after the end', () => {
    const made = sessions();
    for (const timeMs of [0, 20, 10]) made.add(timeMs, 1);
    made.advance(end);
    expect([made.operator.openCount, made.operator.keyCount]).toEqual([0, 0]);
  });
});

interface Step {
  readonly timeMs: number;
  readonly key: string;
  readonly watermarkMs: number;
}

const steps = fc.array(
  fc.record({
    timeMs: fc.integer({ min: -30, max: 90 }),
    key: fc.constantFrom('a', 'b'),
    watermarkMs: fc.integer({ min: -30, max: 90 }),
  }),
  { maxLength: 25 },
);

/** Everything that is seen from outside: who was late, and which rows came when. */
function observe(made: TestOperator, all: readonly Step[], restartEvery: number, deltasMax = 0): unknown {
  const seen: unknown[] = [];
  for (const [index, { timeMs, key, watermarkMs }] of all.entries()) {
    seen.push(made.add(timeMs, index, key), made.advance(watermarkMs));
    if (restartEvery > 0 && index % restartEvery === 0) made.restart(deltasMax);
  }
  return [...seen, made.advance(end)];
}

/** The rule, read word by word over a plain list: join what is touched and open, late only if the result is closed. */
function naive(all: readonly Step[], lateness: number): unknown {
  interface Open {
    readonly key: string;
    readonly startMs: number;
    readonly endMs: number;
    readonly held: readonly number[];
  }
  const seen: unknown[] = [];
  let open: readonly Open[] = [];
  let watermark = Number.NEGATIVE_INFINITY;
  const isClosed = (endMs: number): boolean => watermark > endMs && watermark >= endMs + lateness;
  const close = (to: number): readonly string[] => {
    watermark = Math.max(watermark, to);
    const closed = open.filter(({ endMs }) => isClosed(endMs));
    open = open.filter(({ endMs }) => !isClosed(endMs));
    return closed
      .map(
        ({ key, startMs, endMs, held }) => `${key} [${startMs}, ${endMs}) ${[...held].sort((a, b) => a - b).join(' ')}`,
      )
      .sort();
  };
  for (const [index, { timeMs, key, watermarkMs }] of all.entries()) {
    const touched = open.filter((one) => one.key === key && one.startMs <= timeMs + gapMs && one.endMs >= timeMs);
    const startMs = Math.min(timeMs, ...touched.map((one) => one.startMs));
    const endMs = Math.max(timeMs + gapMs, ...touched.map((one) => one.endMs));
    const taken = !isClosed(endMs);
    if (taken) {
      const held = [...touched.flatMap((one) => one.held), index];
      open = [...open.filter((one) => !touched.includes(one)), { key, startMs, endMs, held }];
    }
    seen.push(taken, close(watermarkMs));
  }
  return [...seen, close(end)];
}

describe('any records and watermarks', () => {
  test.each([0, 1, 7])('with a lateness of %d give what the rule gives', { timeout: fuzzTimeoutMs }, (lateness) => {
    fc.assert(
      fc.property(steps, (all) => {
        expect(observe(sessions(lateness), all, 0)).toEqual(naive(all, lateness));
      }),
      { numRuns: 3_000 },
    );
  });

  test('give the same when the state is saved and restored in the middle', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), (all, restartEvery) => {
        expect(observe(sessions(3), all, restartEvery)).toEqual(observe(sessions(3), all, 0));
      }),
      { numRuns: 2_000 },
    );
  });

  test('give the same when the state is restored from a base and deltas', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), fc.nat(6), (all, restartEvery, deltasMax) => {
        expect(observe(sessions(3), all, restartEvery, deltasMax)).toEqual(observe(sessions(3), all, 0));
      }),
      { numRuns: 3_000 },
    );
  });
});
