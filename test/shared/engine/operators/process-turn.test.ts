import { describe, expect, test } from 'vitest';
import { stateCharactersMax } from '#shared/pipeline/process.ts';
import { type Context, end, type Functions, remember, type State, TestProcess } from './processes.ts';

const cyclic: unknown[] = [];
cyclic.push(cyclic);

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

  test('keeps no fields that are undefined', () => {
    const made = new TestProcess({
      onEvent: (_, { state, emit }) => {
        state.set([{ a: undefined, b: [null] }] as unknown as State);
        emit({ what: JSON.stringify(state.get()) });
      },
    });
    made.add(0, 1);
    expect(made.advance(end)).toEqual(['k 0: [{"b":[null]}]']);
  });

  test('is of its key alone, also when all begin with the same object', () => {
    const first: State = [];
    const made = new TestProcess({
      first,
      onEvent: (amount, { state, emit }) => {
        const kept = state.get() as number[];
        kept.push(amount);
        emit({ what: kept.join(' ') });
      },
    });
    made.add(1, 1, 'a');
    made.add(2, 2, 'b');
    expect([made.advance(end), first]).toEqual([['a 1: 1', 'b 2: 2'], []]);
  });

  test.each<readonly [string, unknown, RegExp]>([
    ['nothing', undefined, /nothing that JSON can hold/],
    ['what is no number', [1, Number.NaN], /the state, or a part of it, is NaN, which JSON cannot hold/],
    ['a map', { seen: new Map() }, /the state, or a part of it, is an object of a class/],
    ['a part of itself', cyclic, /circular/],
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
