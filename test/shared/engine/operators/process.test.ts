import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { timersMax } from '#shared/pipeline/process.ts';
import { logStart } from '#shared/schemas/position.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { end, type Functions, remember, type Shape, TestProcess } from './processes.ts';

describe('records of a key', () => {
  test('are taken when the watermark has passed them, in the order of their times', () => {
    const made = new TestProcess();
    made.add(20, 1);
    made.add(10, 2);
    made.add(30, 3);
    expect([made.advance(10), made.advance(11), made.advance(30), made.advance(31)]).toEqual([
      [],
      ['k 10: 2'],
      ['k 20: 2 1'],
      ['k 30: 2 1 3'],
    ]);
  });

  test('wait for the allowed lateness, and are late only behind it', () => {
    const made = new TestProcess({ ...remember, lateness: 5 });
    made.add(20, 1);
    expect([made.advance(25), made.add(20, 2), made.advance(26), made.add(20, 3), made.add(21, 4)]).toEqual([
      [],
      true,
      ['k 20: 1', 'k 20: 1 2'],
      false,
      true,
    ]);
  });

  test('of one time are taken by what they hold', () => {
    const made = new TestProcess();
    for (const amount of [3, 1, 2]) made.add(10, amount);
    expect(made.advance(end)).toEqual(['k 10: 1', 'k 10: 1 2', 'k 10: 1 2 3']);
  });

  test('do not meet those of another key', () => {
    const made = new TestProcess();
    made.add(10, 1, 'a');
    made.add(20, 2, 'b');
    expect(made.advance(end)).toEqual(['a 10: 1', 'b 20: 2']);
  });
});

test('a row is final, has its time, and a number among those of its key and time', () => {
  const made = new TestProcess({
    onEvent: (amount, { emit }) => {
      emit({ what: `${amount} once` });
      emit({ what: `${amount} twice` });
    },
  });
  made.add(1_000, 1);
  made.add(1_000, 2);
  made.advance(end, 7);
  expect(made.rows.map(({ id }) => id)).toEqual(['000000', '000001', '000002', '000003']);
  expect(made.rows[1]).toEqual({
    view: 'step',
    key: 'key=k',
    windowStartMs: 1_000,
    windowEndMs: 1_000,
    id: '000001',
    final: true,
    position: logStart,
    columns: { time: '1970-01-01T00:00:01.000Z', what: '1 twice' },
    expiresMs: 7 + 3_600_000,
  });
});

/** Record 1 sets a timer for 30, record 2 deletes it, record 3 sets it again and again. */
const timing: Functions = {
  onEvent: (amount, { state, emit, setTimer, deleteTimer }) => {
    state.set([...state.get(), amount]);
    emit({ what: `record ${amount}` });
    if (amount === 1) setTimer(30);
    if (amount === 2) deleteTimer(30);
    if (amount === 3) for (const timeMs of [50, 30, 30]) setTimer(timeMs);
  },
  onTimer: (timeMs, { state, emit }) => emit({ what: `timer ${timeMs}, ${state.get().join(' ')}` }),
};

describe('a timer', () => {
  test('fires behind the records up to its time, and before those after it', () => {
    const made = new TestProcess(timing);
    for (const [timeMs, amount] of [
      [31, 6],
      [30, 5],
      [10, 1],
    ] as const)
      made.add(timeMs, amount);
    expect(made.advance(end)).toEqual(['k 10: record 1', 'k 30: record 5', 'k 30: timer 30, 1 5', 'k 31: record 6']);
  });

  test('waits for the watermark like a record', () => {
    const made = new TestProcess({ ...timing, lateness: 5 });
    made.add(10, 1);
    expect([made.advance(35), made.advance(36)]).toEqual([['k 10: record 1'], ['k 30: timer 30, 1']]);
  });

  test('fires once, however often it is set, and each at its time', () => {
    const made = new TestProcess(timing);
    made.add(10, 3);
    expect(made.advance(end)).toEqual(['k 10: record 3', 'k 30: timer 30, 3', 'k 50: timer 50, 3']);
  });

  test('does not fire when it was deleted', () => {
    const made = new TestProcess(timing);
    made.add(10, 1);
    made.add(20, 2);
    expect(made.advance(end)).toEqual(['k 10: record 1', 'k 20: record 2']);
  });

  test('that sets the next one goes on until the state is dropped', () => {
    const made = new TestProcess({
      onEvent: (_, { setTimer, timeMs }) => setTimer(timeMs + 10),
      onTimer: (timeMs, { emit, setTimer }) => {
        emit({ what: 'tick' });
        setTimer(timeMs + 10);
      },
      ttl: 35,
    });
    made.add(0, 1);
    expect(made.advance(end)).toEqual(['k 10: tick', 'k 20: tick', 'k 30: tick']);
    expect(made.operator.keyCount).toBe(0);
  });

  test.each<readonly [string, number, RegExp]>([
    ['at the time of its record', 10, /must be a whole number after the event time, 10/],
    ['in fractions', 10.5, /must be a whole number/],
    ['that is no number', Number.NaN, /must be a whole number/],
    ['beyond the life of the state', 111, /set for 111 ms, and the state is dropped at 110/],
  ])('%s is refused', (_, timerMs, message) => {
    const made = new TestProcess({ onEvent: (__, { setTimer }) => setTimer(timerMs), onTimer: () => {} });
    made.add(10, 1);
    expect(made.advance(end)).toEqual([expect.stringMatching(message)]);
  });

  test('is refused where nobody takes it, and beyond their number', () => {
    const nobody = new TestProcess({ onEvent: (_, { setTimer }) => setTimer(20) });
    nobody.add(10, 1);
    expect(nobody.advance(end)).toEqual(['10! 1 onEvent threw: a timer was set, and there is no onTimer']);
    const many = new TestProcess({
      onEvent: (amount, { setTimer }) => {
        for (let timeMs = 1; timeMs <= timersMax; timeMs += 1) setTimer(timeMs);
        if (amount === 2) setTimer(timersMax + 1);
      },
      onTimer: () => {},
      ttl: 10_000,
    });
    many.add(0, 1);
    many.add(0, 2);
    expect(many.advance(1)).toEqual([`0! 2 onEvent threw: the key has ${timersMax} timers; no more are allowed`]);
  });
});

test('a key without records, timers and state is forgotten', () => {
  const made = new TestProcess({ onEvent: () => {} });
  made.add(0, 1);
  expect([made.operator.keyCount, made.operator.openCount]).toEqual([1, 1]);
  made.advance(1);
  expect([made.operator.keyCount, made.operator.openCount]).toEqual([0, 0]);
});

test('restarts at any time, from a base and deltas, change nothing', { timeout: fuzzTimeoutMs }, () => {
  const move = fc.oneof(
    fc.record({
      kind: fc.constant('add' as const),
      timeMs: fc.integer({ min: 0, max: 60 }),
      amount: fc.integer({ min: 1, max: 6 }),
      key: fc.constantFrom('a', 'b'),
    }),
    fc.record({ kind: fc.constant('advance' as const), by: fc.integer({ min: 1, max: 15 }) }),
    fc.record({ kind: fc.constant('restart' as const), deltasMax: fc.integer({ min: 0, max: 3 }) }),
  );
  fc.assert(
    fc.property(fc.array(move, { maxLength: 30 }), fc.integer({ min: 5, max: 30 }), (moves, ttl) => {
      const functions: Shape = {
        lateness: 3,
        ttl,
        onEvent: (amount, { state, emit, setTimer, timeMs }) => {
          state.set([...state.get(), amount].slice(-4));
          emit({ what: state.get().join(' ') });
          if (amount === 1) setTimer(timeMs + 4);
          if (amount === 2) state.clear();
          if (amount === 3) throw new Error('three');
        },
        onTimer: (timeMs, { state, emit, setTimer }) => {
          emit({ what: `timer ${state.get().join(' ')}` });
          setTimer(timeMs + 7);
        },
      };
      const whole = new TestProcess(functions);
      const restarted = new TestProcess(functions);
      let watermarkMs = 0;
      for (const one of [...moves, { kind: 'advance', by: 1_000 } as const]) {
        if (one.kind === 'restart') restarted.restart(one.deltasMax);
        else if (one.kind === 'add')
          expect(restarted.add(one.timeMs, one.amount, one.key)).toBe(whole.add(one.timeMs, one.amount, one.key));
        else {
          watermarkMs += one.by;
          expect([...restarted.advance(watermarkMs)].sort()).toEqual([...whole.advance(watermarkMs)].sort());
        }
      }
    }),
    { numRuns: 3_000 },
  );
});
