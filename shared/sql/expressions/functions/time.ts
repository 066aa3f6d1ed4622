import { nearest } from '#shared/pipeline/nearest.ts';
import { civilOf, dayMs } from '#shared/schemas/time.ts';
import type { Call } from '#shared/sql/parse/ast.ts';
import { unitMs } from '#shared/sql/parse/parse-interval.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import { type Compiled, constantOf, strictly } from '../compiled.ts';
import { addMonths, extractPart, formatByPattern, parseTimestamp, timeMsMax, truncateTime } from '../time.ts';
import { doubleType, integerType, isNumeric, type SqlType, stringType, timestampType } from '../types.ts';
import { argumentOf, type FunctionTable, type ScalarFunction, strictFunction } from './signature.ts';

const parts = [
  'YEAR',
  'QUARTER',
  'MONTH',
  'WEEK',
  'DAY',
  'DOW',
  'ISODOW',
  'DOY',
  'HOUR',
  'MINUTE',
  'SECOND',
  'MILLISECOND',
  'EPOCH',
];
const units = ['MILLISECOND', 'SECOND', 'MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH', 'QUARTER', 'YEAR'];
const months: Readonly<Record<string, number>> = { MONTH: 1, QUARTER: 3, YEAR: 12 };

/** The unit that an argument names, as a text or as a word. */
function unitOf(call: Call, index: number, known: readonly string[]): string {
  const place = call.args[index] as Call['args'][number];
  const text =
    place.op === 'literal'
      ? place.text
      : place.op === 'column' && place.path.length === 1
        ? (place.path[0]?.text ?? '')
        : '';
  const upper = text.toUpperCase();
  const unit = [
    upper,
    upper.replace(/S$/, ''),
    upper === 'DAYOFWEEK' ? 'DOW' : upper === 'DAYOFYEAR' ? 'DOY' : upper,
  ].find((name) => known.includes(name));
  if (unit !== undefined) return unit;
  const meant = nearest(upper, known);
  throw new SqlProblem(
    place.at,
    `expected one of ${known.join(', ')}, and found ${text || 'an expression'}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`,
  );
}

/** A function whose first argument names a unit. */
function ofUnit(
  form: string,
  type: (unit: string) => SqlType,
  known: readonly string[],
  timeAt: number,
  call: (unit: string, ...values: readonly number[]) => unknown,
): ScalarFunction {
  const count = form.split(',').length;
  return {
    form,
    count: [count, count],
    compile: (args, expression) => {
      const unit = unitOf(expression, 0, known);
      const rest = args.slice(1).map((arg, index) =>
        argumentOf(arg, index >= timeAt ? 'time' : 'integer', {
          place: expression.args[index + 1] as Call['args'][number],
          form,
        }),
      );
      const text = `${expression.name}(${[unit, ...rest.map((arg) => arg.text)].join(', ')})`;
      return strictly({
        type: type(unit),
        text,
        args: rest,
        call: (...values: readonly number[]) => call(unit, ...values.map(Number)),
      });
    },
  };
}

const extract = ofUnit(
  'EXTRACT(unit, time)',
  (unit) => (unit === 'EPOCH' ? doubleType : integerType),
  parts,
  0,
  (unit, time) => extractPart(unit, time as number) ?? null,
);
const part = (unit: string): ScalarFunction =>
  strictFunction(`${unit}(time)`, ['time'], integerType, (time: number) => extractPart(unit, time) ?? null);

/** The whole units from one time to another. */
function unitsBetween(unit: string, from: number, to: number): number {
  const length = unitMs[unit];
  if (length !== undefined) return Math.trunc((to - from) / length) + 0;
  // As far as from the earlier to the later one: months have no one length.
  if (to < from) return 0 - unitsBetween(unit, to, from);
  const a = civilOf(from);
  const b = civilOf(to);
  let count = (b.year - a.year) * 12 + b.month - a.month;
  // A month that has begun and not ended does not count.
  if (addMonths(from, count) > to) count -= 1;
  return Math.trunc(count / (months[unit] as number)) + 0;
}

function addUnits(unit: string, count: number, time: number): number {
  const length = unitMs[unit];
  return length === undefined ? addMonths(time, count * (months[unit] as number)) : time + count * length;
}

/** A text as a time, or a number of seconds since 1970. */
const toTimestamp: ScalarFunction = {
  form: "TO_TIMESTAMP('2026-11-21 09:30:00') or TO_TIMESTAMP(seconds)",
  count: [1, 2],
  compile: (args, call) => {
    const [value] = args as readonly [Compiled];
    const place = call.args[0] as Call['args'][number];
    if (args.length === 2 && value.type.kind === 'string' && typeof constantOf(args[1]) !== 'string')
      throw new SqlProblem(
        (call.args[1] as Call['args'][number]).at,
        "expected a pattern in quotes, such as 'yyyy-MM-dd HH:mm:ss'.",
      );
    const text = `${call.name}(${args.map((arg) => arg.text).join(', ')})`;
    if (isNumeric(value.type))
      return strictly({
        type: timestampType,
        text,
        args: [value],
        call: (seconds: number) => Math.round(seconds * 1_000),
      });
    const arg = argumentOf(value, 'text', { place, form: 'TO_TIMESTAMP(text)' });
    const pattern = constantOf(args[1]) as string | undefined;
    // What is no time is NULL, as in Flink.
    const parse =
      pattern === undefined
        ? parseTimestamp
        : checked(() => readerOf(pattern), (call.args[1] as Call['args'][number]).at);
    return strictly({
      type: timestampType,
      text,
      args: [arg],
      call: (written: string) => parse(written) ?? null,
      nullable: true,
    });
  },
};

/** What is made of the time that a text names, by a pattern or without one; of a text that is no time NULL. */
function ofText(args: readonly Compiled[], call: Call, type: SqlType, make: (timeMs: number) => number): Compiled {
  const [value] = args as readonly [Compiled];
  if (value.type.kind !== 'string' && value.type.kind !== 'any' && value.type.kind !== 'null')
    argumentOf(value, 'text', { place: call.args[0] as Call['args'][number], form: `${call.name}(text)` });
  const time = toTimestamp.compile(args, call);
  return strictly({ type, text: time.text, args: [time], call: make, nullable: true });
}

const secondsOf = (timeMs: number): number => Math.floor(timeMs / 1_000);
const unixTimestamp = strictFunction('UNIX_TIMESTAMP(time)', ['time'], integerType, secondsOf);

/** How many there are in a second, by how many digits a second has. */
const perSecond: Readonly<Record<number, number>> = { 0: 1, 3: 1_000, 6: 1_000_000, 9: 1_000_000_000 };

function precisions(found: number): string {
  return `expected 0 for seconds, 3 for milliseconds, 6 for microseconds or 9 for nanoseconds, and found ${found}.`;
}

const toTimestampLtz = strictFunction(
  'TO_TIMESTAMP_LTZ(number, precision)',
  ['number', 'integer'],
  timestampType,
  (value: number, precision = 3) => {
    const per = perSecond[precision];
    if (per === undefined) throw new Error(precisions(precision));
    return per > 1_000 ? Math.floor(value / (per / 1_000)) : Math.round(value * (1_000 / per));
  },
  { needed: 1 },
);

/** What is wrong with a pattern is said before a record comes. */
function checked<T>(use: () => T, at: Span): T {
  try {
    return use();
  } catch (error) {
    throw new SqlProblem(at, `${error instanceof Error ? error.message : error}.`);
  }
}

/** Reads numbers where a pattern of Java's has yyyy, MM, dd, HH, mm, ss and SSS; everything else must stand as it is. */
function readerOf(pattern: string): (text: string) => number | undefined {
  const pieces = [...pattern.matchAll(/'[^']*'|([A-Za-z])\1*|./gs)].map(([piece, letter]) => {
    if (letter === undefined) return { fixed: piece.startsWith("'") ? piece.slice(1, -1) : piece };
    if (!/^(y+|M{1,2}|d+|H+|m+|s+|S+)$/.test(piece))
      throw new Error(`${piece} cannot be read in a time; yyyy, MM, dd, HH, mm, ss and SSS can, and texts in '…'`);
    const digits = new RegExp(`\\d{1,${Math.max(piece.length, letter === 'S' ? 1 : 2)}}`, 'y');
    return { letter, digits, isShortYear: piece === 'yy' };
  });
  return (text) => {
    const found: Record<string, string> = {};
    let at = 0;
    for (const { fixed, letter, digits, isShortYear } of pieces) {
      if (digits === undefined) {
        if (!text.startsWith(fixed, at)) return undefined;
        at += fixed.length;
        continue;
      }
      digits.lastIndex = at;
      const [read] = digits.exec(text) ?? [];
      if (read === undefined) return undefined;
      // Of two digits a year is one of this century.
      found[letter] = isShortYear ? `20${read.padStart(2, '0')}` : read;
      at += read.length;
    }
    if (at !== text.length) return undefined;
    const { y = '1970', M = '1', d = '1', H = '0', m = '0', s = '0', S = '0' } = found;
    return parseTimestamp(`${y.padStart(4, '0')}-${M}-${d} ${H}:${m.padStart(2, '0')}:${s.padStart(2, '0')}.${S}`);
  };
}

/** A time as a text, by a pattern that is looked at once when it is a constant. */
const dateFormat = strictFunction(
  "DATE_FORMAT(time, 'yyyy-MM-dd')",
  ['time', 'text'],
  stringType,
  (time: number, pattern: string) => formatByPattern(Number(time), pattern),
);

/** `FLOOR(time TO unit)`, with the unit first once it is read. */
export const floorTo: ScalarFunction = ofUnit(
  'FLOOR(time TO unit)',
  () => timestampType,
  units,
  0,
  (unit, time) => truncateTime(unit, time as number) ?? null,
);
export const ceilTo: ScalarFunction = ofUnit(
  'CEIL(time TO unit)',
  () => timestampType,
  units,
  0,
  (unit, time) => {
    const start = truncateTime(unit, time as number) as number;
    return start === time ? start : addUnits(unit, 1, start);
  },
);

/** Functions of times. Everything is in UTC. */
export const timeFunctions: FunctionTable = {
  EXTRACT: extract,
  DATE_PART: extract,
  DATE_TRUNC: ofUnit(
    'DATE_TRUNC(unit, time)',
    () => timestampType,
    units,
    0,
    (unit, time) => truncateTime(unit, time as number) ?? null,
  ),
  TIMESTAMPDIFF: ofUnit(
    'TIMESTAMPDIFF(unit, from, to)',
    () => integerType,
    units,
    0,
    (unit, from, to) => unitsBetween(unit, from as number, to as number),
  ),
  TIMESTAMPADD: ofUnit(
    'TIMESTAMPADD(unit, count, time)',
    () => timestampType,
    units,
    1,
    (unit, count, time) => addUnits(unit, count as number, time as number),
  ),
  YEAR: part('YEAR'),
  QUARTER: part('QUARTER'),
  MONTH: part('MONTH'),
  WEEK: part('WEEK'),
  DAY: part('DAY'),
  DAYOFMONTH: part('DAY'),
  DAYOFYEAR: part('DOY'),
  HOUR: part('HOUR'),
  MINUTE: part('MINUTE'),
  SECOND: part('SECOND'),
  DATE_FORMAT: {
    ...dateFormat,
    compile: (args, call) => {
      const pattern = constantOf(args[1]);
      if (typeof pattern === 'string')
        checked(() => formatByPattern(0, pattern), (call.args[1] as Call['args'][number]).at);
      return dateFormat.compile(args, call);
    },
  },
  TO_TIMESTAMP: toTimestamp,
  TO_TIMESTAMP_LTZ: {
    ...toTimestampLtz,
    compile: (args, call) => {
      const precision = constantOf(args[1]);
      if (typeof precision === 'number' && perSecond[precision] === undefined)
        throw new SqlProblem((call.args[1] as Call['args'][number]).at, precisions(precision));
      return toTimestampLtz.compile(args, call);
    },
  },
  TO_DATE: {
    form: "TO_DATE('2026-11-21') or TO_DATE('21.11.2026', 'dd.MM.yyyy')",
    count: [1, 2],
    compile: (args, call) =>
      ofText(args, call, { kind: 'date' }, (timeMs: number) => Math.floor(timeMs / dayMs) * dayMs),
  },
  FROM_UNIXTIME: strictFunction(
    "FROM_UNIXTIME(seconds, 'yyyy-MM-dd HH:mm:ss')",
    ['number', 'text'],
    stringType,
    (seconds: number, pattern = 'yyyy-MM-dd HH:mm:ss') => {
      const timeMs = Math.floor(seconds) * 1_000;
      return Math.abs(timeMs) <= timeMsMax ? formatByPattern(timeMs, pattern) : null;
    },
    { needed: 1, nullable: true },
  ),
  EPOCH_MS: strictFunction('EPOCH_MS(time)', ['time'], integerType, (time: number) => Number(time)),
  UNIX_TIMESTAMP: {
    form: "UNIX_TIMESTAMP(time) or UNIX_TIMESTAMP(text, 'yyyy-MM-dd HH:mm:ss')",
    count: [1, 2],
    compile: (args, call) =>
      args.length === 2 || args[0]?.type.kind === 'string'
        ? ofText(args, call, integerType, secondsOf)
        : unixTimestamp.compile(args, call),
  },
};
