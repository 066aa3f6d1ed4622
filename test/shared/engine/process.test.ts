import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CompiledProcess, compile } from '#shared/engine/compile.ts';
import { createEmission } from '#shared/engine/emit.ts';
import { KeyedProcess } from '#shared/engine/process.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { milliseconds, type ProcessContext } from '#shared/pipeline/index.ts';
import { stateCharactersMax, timersMax } from '#shared/pipeline/process.ts';
import { logStart } from '#shared/schemas/position.ts';
import type { Row } from '#shared/schemas/row.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { pipelineOf, readings, sink } from '../readings.ts';

const end = Number.MAX_SAFE_INTEGER;

type State = readonly number[];
type Context = ProcessContext<{ readonly key: string }, State, { readonly what: string }>;

interface Functions {
  readonly ttl?: number;
  readonly onEvent?: (amount: number, context: Context) => void;
  readonly onTimer?: (timeMs: number, context: Context) => void;
}
interface Shape extends Functions {
  readonly lateness?: number;
}

/** Without a function of its own, a step remembers the amounts and shows them. */
const remember: Functions = {
  onEvent: (amount, { state, emit }) => {
    state.set([...state.get(), amount]);
    emit({ what: state.get().join(' ') });
  },
};

function stepOf({ lateness = 0, ttl = 100, onEvent, onTimer }: Shape): CompiledProcess {
  const output = readings()
    .keyBy((reading) => ({ key: reading.key }))
    .process('step', {
      columns: { amount: (reading) => reading.amount },
      emits: { what: 'string' },
      state: (): State => [],
      onEvent: ({ amount }, context) => onEvent?.(amount, context),
      ...(onTimer === undefined ? {} : { onTimer }),
      ttl: milliseconds(ttl),
      allowedLateness: milliseconds(lateness),
    })
    .to(sink);
  const [step] = compile(pipelineOf([output])).steps;
  return step as CompiledProcess;
}

/** A step with a watermark that the test moves. Each record's amount is its position. */
class TestProcess {
  readonly #step: CompiledProcess;
  operator: KeyedProcess;
  readonly rows: Row[] = [];
  #watermarkMs = Number.NEGATIVE_INFINITY;
  #chain: readonly (readonly Json[])[] = [];

  constructor(shape: Shape = remember) {
    this.#step = stepOf(shape);
    this.operator = new KeyedProcess(this.#step);
  }

  /** False: it was late. */
  add(timeMs: number, amount: number, key = 'k'): boolean {
    const [{ route, inputs }] = this.#step.inputs as [CompiledProcess['inputs'][number]];
    const values: unknown[] = [];
    for (const input of inputs) values[input] = amount;
    const from = { route, origin: 'shard', sequence: String(amount), sub: 0 };
    return this.operator.add(`key=${key}`, 0, timeMs, values, this.#watermarkMs, 0, from);
  }

  /** Moves the watermark and gives what happened as `key time: what`, and what threw as `time! message`. */
  advance(watermarkMs: number, clockMs = 0): readonly string[] {
    this.#watermarkMs = Math.max(this.#watermarkMs, watermarkMs);
    const emission = createEmission();
    this.operator.advance(this.#watermarkMs, { slot: 0, position: logStart, clockMs }, emission);
    this.rows.push(...emission.rows);
    return [
      ...emission.rows.map(({ key, windowStartMs, columns }) => `${key.slice(4)} ${windowStartMs}: ${columns['what']}`),
      ...emission.failures.map(({ timeMs, message, sequence }) => `${timeMs}! ${sequence} ${message}`),
    ];
  }

  /** As in the tests of the other operators: a base or a delta, and every other time what the chain restores goes on. */
  restart(deltasMax = 0): void {
    const isDelta = this.#chain.length > 0 && this.#chain.length <= deltasMax;
    const entries = isDelta ? this.operator.saveChanges() : this.operator.save();
    const saved = JSON.parse(JSON.stringify([...entries])) as readonly Json[];
    this.#chain = isDelta ? [...this.#chain, saved] : [saved];
    const restored = new KeyedProcess(this.#step);
    for (const entry of this.#chain.flat()) restored.restore(entry);
    expect([restored.keyCount, restored.openCount]).toEqual([this.operator.keyCount, this.operator.openCount]);
    if (this.#chain.length % 2 === 1) this.operator = restored;
    this.operator.markSaved();
  }
}

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

describe('a state', () => {
  test('is dropped when no record came for longer than its time to live', () => {
    const made = new TestProcess({ ...remember, ttl: 10 });
    for (const [timeMs, amount] of [
      [0, 1],
      [10, 2],
      [20, 3],
      [31, 4],
    ] as const)
      made.add(timeMs, amount);
    expect(made.advance(end)).toEqual(['k 0: 1', 'k 10: 1 2', 'k 20: 1 2 3', 'k 31: 4']);
    expect(made.operator.keyCount).toBe(0);
  });

  test('lives in event time, whatever the clock says', () => {
    const made = new TestProcess({ ...remember, ttl: 10 });
    made.add(0, 1);
    made.advance(1, 1_000_000);
    made.add(10, 2);
    expect(made.advance(11, 2_000_000)).toEqual(['k 10: 1 2']);
  });

  test('changes by set and clear alone', () => {
    const made = new TestProcess({
      onEvent: (amount, { state, emit }) => {
        const kept = state.get() as number[];
        kept.push(amount);
        if (amount === 2) state.set(kept);
        kept.push(9);
        if (amount === 3) state.clear();
        emit({ what: JSON.stringify(state.get()) });
      },
    });
    for (const amount of [1, 2, 3]) made.add(amount, amount);
    expect(made.advance(end)).toEqual(['k 1: []', 'k 2: [2]', 'k 3: []']);
  });

  test.each<readonly [string, unknown, RegExp]>([
    ['nothing', undefined, /nothing that JSON can hold/],
    ['too much', 'x'.repeat(stateCharactersMax), new RegExp(`has ${stateCharactersMax + 2} characters`)],
  ])('may not be %s', (_, value, message) => {
    const made = new TestProcess({ onEvent: (__, { state }) => state.set(value as State) });
    made.add(0, 1);
    expect(made.advance(end)).toEqual([expect.stringMatching(message)]);
  });
});

describe('a callback that throws', () => {
  const failing: Functions = {
    onEvent: (amount, { state, emit, setTimer, timeMs }) => {
      state.set([...state.get(), amount]);
      setTimer(timeMs + 5);
      emit({ what: `record ${state.get().join(' ')}` });
      if (amount === 2) throw new Error('two');
    },
    onTimer: (_, { state, emit, setTimer, timeMs }) => {
      emit({ what: `timer ${state.get().join(' ')}` });
      state.set([]);
      setTimer(timeMs + 1);
      if (state.get().length === 0 && timeMs === 5) throw new Error('five');
      state.clear();
    },
    ttl: 9,
  };

  test('has changed nothing, and the key goes on', () => {
    const made = new TestProcess(failing);
    made.add(0, 1);
    made.add(2, 2);
    expect(made.advance(4)).toEqual(['k 0: record 1', '2! 2 onEvent threw: two']);
    expect(made.advance(6)).toEqual(['5! 1 onTimer threw: five']);
    // The record that threw set no timer for 7, did not lengthen the life of the state, and left 1 alone in it.
    made.add(8, 3);
    expect(made.advance(9)).toEqual(['k 8: record 1 3']);
  });

  test('may be one that returns a promise', () => {
    const made = new TestProcess({ onEvent: (async () => Promise.reject(new Error('later'))) as () => void });
    made.add(0, 1);
    expect(made.advance(end)).toEqual(['0! 1 onEvent threw: it returned a promise; callbacks are synchronous']);
  });

  test.each<readonly [string, unknown, RegExp]>([
    ['lacks a column', {}, /column what is of type undefined/],
    ['has another', { what: '', more: 1 }, /column more is not declared in emits, which has what/],
    ['has one of another type', { what: 1 }, /column what is of type number, and declared as string/],
    ['has a null where none may be', { what: null }, /column what is of type null, and declared as string/],
  ])('may be one that emits a row that %s', (_, row, message) => {
    const made = new TestProcess({ onEvent: (__, { emit }) => emit(row as { readonly what: string }) });
    made.add(0, 1);
    expect(made.advance(end)).toEqual([expect.stringMatching(message)]);
  });

  test('is every one that uses its context after it has returned', () => {
    let kept: Context | undefined;
    const made = new TestProcess({
      onEvent: (_, context) => {
        kept = context;
      },
    });
    made.add(0, 1);
    made.advance(end);
    for (const use of [
      () => kept?.state.set([]),
      () => kept?.emit({ what: '' }),
      () => kept?.setTimer(5),
      () => kept?.key,
    ])
      expect(use).toThrow('the context is of a callback that has returned');
  });
});

test('the key is given by its columns', () => {
  const made = new TestProcess({ onEvent: (_, { key, emit }) => emit({ what: JSON.stringify(key) }) });
  made.add(0, 1, 'a');
  made.add(1, 2, 'b');
  expect(made.advance(end)).toEqual(['a 0: {"key":"a"}', 'b 1: {"key":"b"}']);
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
