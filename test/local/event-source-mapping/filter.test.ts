import { expect, test } from 'vitest';
import { compileFilters } from '#local/event-source-mapping/filter.ts';

/** https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html lists these comparisons. */
const rows: readonly {
  readonly claim: string;
  readonly rule: unknown;
  readonly passes: readonly unknown[];
  readonly fails: readonly unknown[];
}[] = [
  { claim: 'null', rule: [null], passes: [null], fails: [undefined, '', 0] },
  { claim: 'empty', rule: [''], passes: [''], fails: [null, ' '] },
  { claim: 'equals', rule: ['Alice'], passes: ['Alice'], fails: ['alice', 'Alice ', undefined] },
  { claim: 'equals a number', rule: [100], passes: [100], fails: ['100', 101] },
  { claim: 'or', rule: ['Credit', 'Debit'], passes: ['Credit', 'Debit'], fails: ['Cash'] },
  {
    claim: 'not',
    rule: [{ 'anything-but': ['Raining', 'Snow'] }],
    passes: ['Sunny', 1],
    fails: ['Raining', 'Snow', undefined],
  },
  { claim: 'not, of one value', rule: [{ 'anything-but': 'Raining' }], passes: ['Sunny'], fails: ['Raining'] },
  { claim: 'not a prefix', rule: [{ 'anything-but': { prefix: 'us-' } }], passes: ['eu-west-1'], fails: ['us-east-1'] },
  { claim: 'numeric equals', rule: [{ numeric: ['=', 100] }], passes: [100], fails: [99, '100', undefined] },
  { claim: 'numeric range', rule: [{ numeric: ['>', 10, '<=', 20] }], passes: [10.5, 20], fails: [10, 20.5] },
  { claim: 'exists', rule: [{ exists: true }], passes: ['', null, 0, false], fails: [undefined, { a: 1 }] },
  { claim: 'does not exist', rule: [{ exists: false }], passes: [undefined], fails: ['', null] },
  { claim: 'begins with', rule: [{ prefix: 'us-' }], passes: ['us-east-1'], fails: ['eu-west-1', 1] },
  { claim: 'ends with', rule: [{ suffix: '.png' }], passes: ['a.png'], fails: ['a.jpg'] },
  { claim: 'equals ignoring case', rule: [{ 'equals-ignore-case': 'alice' }], passes: ['ALICE'], fails: ['bob'] },
  { claim: 'any element of a list', rule: ['b'], passes: [['a', 'b']], fails: [['a'], []] },
  { claim: 'a field of a field', rule: { b: [1] }, passes: [{ b: 1 }], fails: [{ b: 2 }, { c: 1 }, 1, undefined] },
];

for (const { claim, rule, passes, fails } of rows) {
  test(`filter: ${claim}`, () => {
    expect(passes.filter((value) => !matches({ a: rule }, { a: value }))).toEqual([]);
    expect(fails.filter((value) => matches({ a: rule }, { a: value }))).toEqual([]);
  });
}

test('all fields of a pattern must match', () => {
  expect(matches({ a: [1], b: [2] }, { a: 1, b: 3 })).toBe(false);
});

test('one branch of $or must match', () => {
  const pattern = { $or: [{ a: [1] }, { b: [2] }] };
  expect([matches(pattern, { a: 1 }), matches(pattern, { b: 2 }), matches(pattern, { a: 2, b: 1 })]).toEqual([
    true,
    true,
    false,
  ]);
});

test('one of several patterns must match', () => {
  const passes = compileFilters(['{"data":{"a":[1]}}', '{"data":{"a":[2]}}']);
  expect([1, 2, 3].map((a) => passes(recordOf(JSON.stringify({ a }))))).toEqual([true, true, false]);
});

test('without patterns everything passes, JSON or not', () => {
  expect(compileFilters([])(recordOf('hello'))).toBe(true);
});

test('data that is not JSON does not pass', () => {
  expect(compileFilters(['{"data":{"a":[1]}}'])(recordOf('hello'))).toBe(false);
});

test('a field that every object inherits does not exist', () => {
  expect(matches({ constructor: [{ exists: true }] }, {})).toBe(false);
});

test.each([
  ['text that is not JSON', '{'],
  ['a list', '[]'],
  ['data that is no object', '{"data":"x"}'],
  ['a key other than data', '{"partitionKey":["1"]}'],
  ['a field without rules', '{"data":{"a":[]}}'],
  ['a comparison that does not exist', '{"data":{"a":[{"like":"x"}]}}'],
  ['an odd number of numeric parts', '{"data":{"a":[{"numeric":[">"]}]}}'],
  ['an unknown numeric operator', '{"data":{"a":[{"numeric":["!=",1]}]}}'],
])('refused: %s', (_, pattern) => {
  expect(() => compileFilters([pattern])).toThrow('SETTING_INVALID');
});

function matches(pattern: unknown, data: unknown): boolean {
  return compileFilters([JSON.stringify({ data: pattern })])(recordOf(JSON.stringify(data)));
}

function recordOf(text: string) {
  return { sequenceNumber: '1', partitionKey: 'key', data: new TextEncoder().encode(text), arrivalMs: 0 };
}
