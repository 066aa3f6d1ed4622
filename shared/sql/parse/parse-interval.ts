import type { IntervalLiteral } from './ast.ts';
import type { Cursor } from './cursor.ts';
import type { Token } from './lexer.ts';
import { type Span, SqlProblem, spanOf } from './problem.ts';

/** Milliseconds of a unit of time; months are of another kind. */
export const unitMs: Readonly<Record<string, number>> = {
  MILLISECOND: 1,
  SECOND: 1_000,
  MINUTE: 60_000,
  HOUR: 3_600_000,
  DAY: 86_400_000,
  WEEK: 604_800_000,
};
const unitMonths: Readonly<Record<string, number>> = { MONTH: 1, QUARTER: 3, YEAR: 12 };

/** `INTERVAL '5' MINUTE`, `INTERVAL 5 MINUTE`, `INTERVAL '1 hour 30 minutes'`. */
export function parseInterval(cursor: Cursor, start: Span): IntervalLiteral {
  const isNegative = cursor.takes('-');
  const value = cursor.next();
  if (value.kind !== 'string' && value.kind !== 'number')
    throw new SqlProblem(
      value.kind === 'end' ? cursor.spot : value,
      "expected a number behind INTERVAL, such as INTERVAL '5' MINUTE.",
    );
  const sign = isNegative ? -1 : 1;
  const unit = unitOf(cursor.token.text);
  if (cursor.token.kind === 'word' && unit !== undefined) {
    cursor.next();
    passDigits(cursor);
    if (/^\s*[+-]?\d+(\.\d+)?\s*$/.test(value.text))
      return intervalOf([[Number(value.text), unit]], sign, spanOf(start, cursor.last));
    if (cursor.takes('TO')) return parseRange(cursor, { start, value, from: unit, sign });
    throw new SqlProblem(value, `${value.text} is no number of units. Write INTERVAL '5' ${unit}.`);
  }
  const parts = [...value.text.matchAll(/\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*/gy)];
  const units = parts.map(([, count, name]) => [Number(count), unitOf(name as string)] as const);
  const isWhole = parts.reduce((length, [whole]) => length + whole.length, 0) === value.text.length;
  if (value.kind !== 'string' || parts.length === 0 || !isWhole || units.some(([, name]) => name === undefined))
    throw new SqlProblem(
      cursor.spot,
      `expected a unit behind the number of INTERVAL: ${[...Object.keys(unitMs), ...Object.keys(unitMonths)].join(', ')}.`,
    );
  return intervalOf(units as readonly (readonly [number, string])[], sign, spanOf(start, value));
}

/** `INTERVAL '10 00:00:00.004' DAY TO SECOND`, `INTERVAL '2-10' YEAR TO MONTH`: a number for each unit from the first to the last. */
function parseRange(
  cursor: Cursor,
  {
    start,
    value,
    from,
    sign,
  }: { readonly start: Span; readonly value: Token; readonly from: string; readonly sign: 1 | -1 },
): IntervalLiteral {
  const last = cursor.next();
  const to = unitOf(last.text) ?? '';
  const units = ranges.find((range) => range.includes(from) && range.includes(to)) ?? [];
  const wanted = units.slice(units.indexOf(from), units.indexOf(to) + 1);
  if (wanted.length < 2)
    throw new SqlProblem(last, `expected a smaller unit than ${from} behind TO, as in DAY TO SECOND or YEAR TO MONTH.`);
  passDigits(cursor);
  const form = new RegExp(
    `^\\s*([+-]?)${wanted.map((unit) => `(\\d+${unit === 'SECOND' ? '(?:\\.\\d+)?' : ''})`).join('[-: ]')}\\s*$`,
  );
  const [, ownSign, ...counts] = form.exec(value.text) ?? [];
  if (ownSign === undefined)
    throw new SqlProblem(
      value,
      `${value.text} is no interval ${from} TO ${to}. Write INTERVAL '1 12:30:00' DAY TO SECOND, '2-6' YEAR TO MONTH, or several: INTERVAL '1' DAY + INTERVAL '12' HOUR.`,
    );
  const parts = counts.map((count, index) => [Number(count), wanted[index] as string] as const);
  return intervalOf(parts, ownSign === '-' ? -sign : sign, spanOf(start, cursor.last));
}

/** `DAY(3)`, `SECOND(3)`: how many digits there may be says nothing that is needed. */
function passDigits(cursor: Cursor): void {
  if (!cursor.takes('(')) return;
  if (cursor.token.kind !== 'number') throw cursor.unexpected('a number of digits', 'behind the unit of an interval');
  cursor.next();
  cursor.expect(')', 'behind the number of digits');
}

const ranges: readonly (readonly string[])[] = [
  ['YEAR', 'MONTH'],
  ['DAY', 'HOUR', 'MINUTE', 'SECOND'],
];

function unitOf(text: string): string | undefined {
  const name = text.toUpperCase();
  return [name, name.replace(/S$/, '')].find((unit) => unit in unitMs || unit in unitMonths);
}

function intervalOf(parts: readonly (readonly [number, string])[], sign: number, at: Span): IntervalLiteral {
  let ms = 0;
  let months = 0;
  for (const [count, unit] of parts) {
    ms += sign * count * (unitMs[unit] ?? 0);
    months += sign * count * (unitMonths[unit] ?? 0);
  }
  if (!Number.isSafeInteger(ms) || !Number.isSafeInteger(months))
    throw new SqlProblem(at, 'the interval is no whole number of milliseconds or of months.');
  if (ms !== 0 && months !== 0)
    throw new SqlProblem(
      at,
      'months and years have no one length, so they do not mix with days and hours. Add two intervals.',
    );
  return { op: 'interval', ms: ms + 0, months: months + 0, at };
}
