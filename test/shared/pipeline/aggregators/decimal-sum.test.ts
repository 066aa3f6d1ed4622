import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decimalSum } from '#shared/pipeline/aggregators/decimal-sum.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';

const text = (value: string | number | bigint): string | number | bigint => value;

function sumOf(values: readonly (string | number | bigint)[], aggregator = decimalSum(text)): string {
  return aggregator.result(
    values.map((value) => aggregator.select(value, 0)).reduce(aggregator.add, aggregator.create()),
  );
}

const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.nat({ max: 12 }), fc.constantFrom('', 'e3', 'E-7'))
  .map(([units, scale, exponent]) => {
    const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
    return `${units < 0n ? '-' : ''}${digits.slice(0, digits.length - scale)}.${digits.slice(digits.length - scale)}${exponent}`;
  });

aggregatorLaws('decimalSum', () => decimalSum(text), decimal);
aggregatorLaws(
  'decimalSum of cents',
  () => decimalSum(text, { scale: 2, as: 'number' }),
  fc.constantFrom('1', '-0.25', '12.30', '1e3'),
);

test.each([
  [['12.30', '1.7'], '14.00'],
  [['0.1', '0.2'], '0.3'],
  [[0.1, 0.2], '0.3'],
  [[1e21, 1], '1000000000000000000001'],
  [['99999999999999999999.99', '0.01'], '100000000000000000000.00'],
  [['-0.05', '0.02'], '-0.03'],
  [['-1.5', '+1.5'], '0.0'],
  [['1e-3', '.5', '5.'], '5.501'],
  [[], '0'],
])('of %j is %s', (values, expected) => {
  expect(sumOf(values)).toBe(expected);
});

test('takes big integers', () => {
  expect(sumOf([12n, 10n ** 30n, '1'])).toBe('1000000000000000000000000000013');
});

test('has the asked number of digits, and may be a number', () => {
  expect(sumOf(['12', '0.5'], decimalSum(text, { scale: 2 }))).toBe('12.50');
  const cents = decimalSum(text, { scale: 2, as: 'number' });
  expect(cents.result(['0.10', '0.20'].reduce(cents.add, cents.create()))).toBe(0.3);
});

test('refuses what is no decimal number, and more digits than were asked for', () => {
  const cents = decimalSum(text, { scale: 2 });
  expect(cents.refuse?.('12.345')).toBe('the string "12.345" has 3 digits behind the point; at most 2 are allowed');
  for (const wrong of ['', '.', 'abc', '1,5', '0x10', '1e99999', 'NaN', 'Infinity', ' 1'])
    expect(cents.refuse?.(wrong)).toContain('is not a decimal number');
  expect(cents.refuse?.(null as unknown as string)).toContain('null is not a decimal number');
  expect(cents.refuse?.('9'.repeat(1_001))).toContain('of at most 1000 digits');
});

test('a scale that is no count of digits is refused when the pipeline is written', () => {
  expect(() => decimalSum(text, { scale: 0.5 })).toThrow(
    'decimalSum: scale is 0.5; it must be a whole number from 0 to 1000.',
  );
});

test.each([1, '', '1.', 'a', '1e3', '1.5'])('%j is no state of scale 2', (encoded) => {
  expect(() => decimalSum(text, { scale: 2 }).decode(encoded)).toThrow(
    'the state of decimal-sum must be a decimal number of scale 2',
  );
});
