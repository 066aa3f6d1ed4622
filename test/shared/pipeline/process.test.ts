import { describe, expect, test } from 'vitest';
import { type AnyOutput, dynamodb, hours, milliseconds, type Pipeline, pipeline } from '#shared/pipeline/index.ts';
import type { Selectors } from '#shared/pipeline/join.ts';
import { place } from '#shared/pipeline/placement.ts';
import { columnsOf, inputsOf, routesOf, stepsOf } from '#shared/pipeline/plan.ts';
import { type RowColumns, refuseRow, tableSelectors } from '#shared/pipeline/process.ts';
import { hasCode } from '#shared/schemas/error.ts';
import { type Reading, readings } from '../readings.ts';

type Columns = Selectors<Reading>;
const sink = dynamodb({ ttl: hours(1) });
const keyed = (name = 'readings') => readings({ name }).keyBy((reading) => ({ key: reading.key }));
const amount = (reading: Reading): number => reading.amount;

interface Change {
  readonly name?: string;
  readonly columns?: Columns;
  readonly emits?: RowColumns;
  /** Null for none, which the types refuse. */
  readonly ttl?: number | null;
  readonly allowedLateness?: number;
  readonly initial?: number;
}

/** A good function, changed or spoiled by `change`. */
function processed(change: Change = {}): AnyOutput {
  return keyed()
    .process(change.name ?? 'step', {
      columns: change.columns ?? { amount },
      emits: change.emits ?? { total: 'number', last: 'json?' },
      state: () => ({ total: change.initial ?? 0 }),
      onEvent: () => {},
      ttl: change.ttl === null ? (undefined as never) : milliseconds(change.ttl ?? 1_000),
      allowedLateness: milliseconds(change.allowedLateness ?? 5),
    })
    .to(sink);
}

function deduped(change: { readonly within?: number; readonly columns?: Columns } = {}): AnyOutput {
  return keyed()
    .dedupe('step', {
      columns: change.columns ?? { amount },
      within: milliseconds(change.within ?? 10),
      allowedLateness: milliseconds(0),
    })
    .to(sink);
}

interface TableChange {
  readonly kind?: 'inner' | 'left';
  readonly ttl?: number;
  readonly table?: string;
  readonly left?: Columns;
  readonly right?: Columns;
  readonly deletes?: (reading: Reading) => boolean;
}

function joined(change: TableChange = {}): AnyOutput {
  return keyed()
    .joinTable(keyed(change.table ?? 'table'), {
      allowedLateness: milliseconds(0),
      ...(change.kind === undefined ? {} : { kind: change.kind }),
      ...(change.ttl === undefined ? {} : { ttl: milliseconds(change.ttl) }),
      ...(change.deletes === undefined ? {} : { deletes: change.deletes }),
    })
    .select('step', {
      left: change.left ?? { amount },
      right: change.right ?? { at: (reading: Reading) => reading.at },
    })
    .to(sink);
}

const planned = (output: AnyOutput): Pipeline => pipeline('test', [output]);
const stepOf = (output: AnyOutput) => stepsOf(planned(output).plan)[0];

describe('the plan', () => {
  test('of a function has what it sees, what it emits and how long its state lives', () => {
    expect(stepOf(processed())).toEqual({
      op: 'process',
      id: 'step',
      does: { kind: 'process' },
      inputs: [{ source: 'readings', input: 'readings/key', columns: ['amount'] }],
      row: { total: 'number', last: 'json?' },
      ttlMs: 1_000,
      allowedLatenessMs: 5,
      sinks: [{ kind: 'dynamodb', ttlMs: 3_600_000 }],
      placement: 'fargate',
      reason: 'records of a key wait in memory until they can be taken in the order of their event times',
    });
  });

  test('of the removal of duplicates keeps a key as long as it may have any', () => {
    expect(stepOf(deduped())).toMatchObject({
      does: { kind: 'dedupe', withinMs: 10 },
      row: { amount: 'json' },
      ttlMs: 10,
    });
  });

  test('of a join with a table has the table first, whose versions are kept unless it says otherwise', () => {
    const step = stepOf(joined());
    expect(step).toMatchObject({ does: { kind: 'table-join', join: 'inner' } });
    expect(step).not.toHaveProperty('ttlMs');
    expect(step === undefined ? [] : inputsOf(step).map(({ source }) => source)).toEqual(['table', 'readings']);
    expect(stepOf(joined({ kind: 'left', ttl: 7 }))).toMatchObject({ does: { join: 'left' }, ttlMs: 7 });
  });

  test('of a join of a stream with itself has a route for each side', () => {
    const once = keyed();
    const output = once
      .joinTable(once, { allowedLateness: milliseconds(0) })
      .select('step', { left: {}, right: {} })
      .to(sink);
    expect(routesOf(planned(output).plan).map(({ id }) => id)).toEqual(['readings/key', 'readings/key-2']);
  });

  test('is JSON, and names the columns of the rows', () => {
    for (const output of [processed(), deduped(), joined()]) {
      const { plan } = planned(output);
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    }
    const columns = [processed(), joined()].map((output) => columnsOf(stepOf(output) as never).kept);
    expect(columns).toEqual([
      ['time', 'total', 'last'],
      ['time', 'tableTime', 'amount', 'at'],
    ]);
  });

  test('goes to the worker, and says why', () => {
    expect(place(processed().step)).toEqual({ placement: 'fargate', reason: expect.stringMatching(/in the order of/) });
  });
});

describe('the plan hash', () => {
  test.each<readonly [string, AnyOutput, AnyOutput]>([
    ['a name', processed(), processed({ name: 'other' })],
    ['what a function sees', processed(), processed({ columns: { other: amount } })],
    ['what it emits', processed(), processed({ emits: { total: 'number' } })],
    ['the life of a state', processed(), processed({ ttl: 1_001 })],
    ['allowedLateness', processed(), processed({ allowedLateness: 6 })],
    ['the time within which duplicates are dropped', deduped(), deduped({ within: 11 })],
    ['the kind of a join', joined(), joined({ kind: 'left' })],
    ['the life of a version', joined(), joined({ ttl: 1 })],
    ['the table', joined(), joined({ table: 'other' })],
    ['a column of the table', joined(), joined({ right: {} })],
  ])('changes with %s', (_, one, other) => {
    expect(planned(other).planHash).not.toBe(planned(one).planHash);
  });

  test('does not change with the callbacks', () => {
    expect(planned(processed({ initial: 1 })).planHash).toBe(planned(processed()).planHash);
    expect(planned(joined({ deletes: () => true })).planHash).toBe(planned(joined()).planHash);
  });
});

test('a record of a table deletes its key when what deletes gives is true as if has it, and a promise is none', () => {
  const { '#deleted': isDeleted, at } = tableSelectors(
    { at: (record) => record as number },
    (record) => record as boolean,
  );
  expect([1, 'x', 0, '', null, undefined].map((given) => [isDeleted?.(given), at?.(given)])).toEqual([
    [true, null],
    [true, null],
    [false, 0],
    [false, ''],
    [false, null],
    [false, undefined],
  ]);
  expect(() => isDeleted?.(Promise.resolve(true))).toThrow('deletes gave a promise');
});

describe('a step that cannot be meant is refused:', () => {
  const cases: readonly (readonly [string, () => AnyOutput, RegExp])[] = [
    ['a state that does not live', () => processed({ ttl: 0 }), /ttl of the state is 0 ms/],
    ['a life in fractions', () => processed({ ttl: 0.5 }), /ttl of the state is 0.5 ms/],
    ['no life', () => processed({ ttl: null }), /ttl of the state is missing; give a duration/],
    ['a negative lateness', () => processed({ allowedLateness: -1 }), /allowedLateness is -1 ms/],
    ['the name of the time', () => processed({ emits: { time: 'number' } }), /column time is there twice/],
    ['the name of an own column', () => processed({ emits: { view: 'number' } }), /column view is a name that every/],
    [
      'a type that is none',
      () => processed({ emits: { a: 'date' } as never }),
      /column a is of type "date"; use string/,
    ],
    ['a negative time within', () => deduped({ within: -1 }), /within is -1 ms/],
    ['one column on both sides', () => joined({ right: { amount } }), /column amount is there twice/],
    [
      'the name of the version’s time',
      () => joined({ left: { tableTime: amount } as Columns }),
      /column tableTime is th/,
    ],
    ['versions that do not live', () => joined({ ttl: 0 }), /ttl of the state is 0 ms/],
  ];
  test.each(cases)('%s', (_, make, message) => {
    const error = attempt(() => planned(make()));
    expect(String(error)).toMatch(message);
    expect(hasCode(error, 'PIPELINE_INVALID')).toBe(true);
  });
});

function attempt(make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    return error;
  }
}

describe('an emitted row', () => {
  const columns: RowColumns = { text: 'string', maybe: 'number?', any: 'json' };
  test.each<readonly [string, Readonly<Record<string, unknown>>]>([
    ['all columns', { text: '', maybe: 1, any: [{ a: null }] }],
    ['a null where one may be', { text: '', maybe: null, any: null }],
  ])('may have %s', (_, row) => {
    expect(refuseRow(row, columns)).toBeUndefined();
  });

  test.each<readonly [string, Readonly<Record<string, unknown>>, RegExp]>([
    ['another column', { text: '', maybe: 1, any: 1, more: 1 }, /column more is not declared/],
    ['a column less', { text: '', maybe: 1 }, /column any is of type undefined/],
    [
      'a null where none may be',
      { text: null, maybe: 1, any: 1 },
      /column text is of type null, and declared as string/,
    ],
    ['another type', { text: '', maybe: true, any: 1 }, /column maybe is of type boolean, and declared as number\?/],
    ['what JSON cannot hold', { text: '', maybe: 1, any: new Date(0) }, /column any is an object of a class/],
    ['too much', { text: 'x'.repeat(100_000), maybe: 1, any: 1 }, /column text has 100000 characters/],
  ])('may not have %s', (_, row, message) => {
    expect(refuseRow(row, columns)).toMatch(message);
  });

  test.each([
    ['missing', undefined],
    ['null', null],
    ['5', 5],
    ['"x"', 'x'],
  ])('that is no row but %s', (shown, row) => {
    expect(refuseRow(row as never, { what: 'string', n: 'number' })).toBe(
      `it is ${shown}, and must be an object with what, n`,
    );
  });
});
