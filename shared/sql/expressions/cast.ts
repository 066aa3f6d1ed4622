import { dayMs } from '#shared/schemas/time.ts';
import type { Span } from '#shared/sql/parse/problem.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import type { CastLimit } from './cast-limit.ts';
import { type Compiled, strictly } from './compiled.ts';
import { formatDate, formatInterval, formatMonths, formatTimestamp, parseTimestamp } from './time.ts';
import { describeType, isNumeric, type SqlType, scaleOf } from './types.ts';

/** `CAST(x AS type)`; with `tries` what cannot be cast is NULL instead of a rejected record. */
export function castTo(operand: Compiled, type: SqlType, tries: boolean, at: Span, limit?: CastLimit): Compiled {
  const { type: from } = operand;
  const name = limit?.text ?? describeType(type);
  const text = `${tries ? 'TRY_CAST' : 'CAST'}(${operand.text} AS ${name})`;
  if (from.kind === 'null') return { ...operand, type, text };
  const plain = conversion(from, type);
  if (plain === undefined) throw new SqlProblem(at, `${describeType(from)} cannot be cast to ${describeType(type)}.`);
  const convert = (value: unknown): unknown => {
    const converted = plain(value);
    return limit === undefined || converted === undefined ? converted : limit.fit(converted);
  };
  const call = (value: unknown): unknown => {
    const converted = convert(value);
    if (converted !== undefined) return converted;
    if (tries) return null;
    throw new Error(`${show(value)} cannot be cast to ${name}; TRY_CAST gives NULL instead`);
  };
  if (operand.isConstant && !tries) {
    const value = operand.evaluate({});
    if (value !== null && convert(value) === undefined) throw new SqlProblem(at, `${show(value)} is no ${name}.`);
  }
  return strictly({ type, text, args: [operand], call, ...(tries ? { nullable: true } : {}) });
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

type Convert = (value: unknown) => unknown;

/** Undefined for values that cannot be converted; no function at all for types that cannot. */
function conversion(from: SqlType, to: SqlType): Convert | undefined {
  if (from.kind === 'any') return (value) => conversion(typeOfValue(value), to)?.(value);
  switch (to.kind) {
    case 'any':
      return (value) => value;
    case 'string':
      return from.kind === 'row' || from.kind === 'array'
        ? (value) => JSON.stringify(value)
        : (value) => textOf(value, from);
    case 'boolean':
      if (from.kind === 'boolean') return (value) => value;
      if (from.kind === 'string') return (value) => booleanOf(value as string);
      return isNumeric(from) ? (value) => value !== 0 : undefined;
    case 'integer':
    case 'decimal':
    case 'double':
      return toNumber(from, to);
    case 'timestamp':
    case 'date':
      return toTime(from, to.kind);
    case 'interval':
    case 'months':
      return from.kind === to.kind ? (value) => value : undefined;
    case 'row':
    case 'array':
      return describeType(from) === describeType(to) ? (value) => value : undefined;
    case 'null':
      return undefined;
  }
}

/** A value whose type is not known before it is there. */
export function typeOfValue(value: unknown): SqlType {
  switch (typeof value) {
    case 'string':
      return { kind: 'string' };
    case 'boolean':
      return { kind: 'boolean' };
    case 'number':
      return { kind: Number.isInteger(value) ? 'integer' : 'double' };
    default:
      return value instanceof Date ? { kind: 'timestamp' } : { kind: 'row', fields: [] };
  }
}

/** A value as CAST gives it as a text. */
export function textOf(value: unknown, type: SqlType): string {
  switch (type.kind) {
    case 'double':
      return doubleText(value as number);
    case 'decimal':
      return (value as number).toFixed(type.scale);
    case 'timestamp':
      return formatTimestamp(Number(value));
    case 'date':
      return formatDate(value as number);
    case 'interval':
      return formatInterval(value as number);
    case 'months':
      return formatMonths(value as number);
    case 'any':
      return typeof value === 'object' && !(value instanceof Date)
        ? JSON.stringify(value)
        : textOf(value, typeOfValue(value));
    default:
      return String(value);
  }
}

/** As DuckDB writes it: with an exponent of two digits below 1e-4 and from 1e16 on. */
function doubleText(value: number): string {
  const [digits = '', exponent = '0'] = value.toExponential().split('e');
  const size = Number(exponent);
  if (size < -4 || size > 15) return `${digits}e${size < 0 ? '-' : '+'}${String(Math.abs(size)).padStart(2, '0')}`;
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function booleanOf(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (['true', 't', 'yes', 'y', '1'].includes(word)) return true;
  return ['false', 'f', 'no', 'n', '0'].includes(word) ? false : undefined;
}

const numberForm = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/;

function toNumber(from: SqlType, to: SqlType): Convert | undefined {
  const round = (value: number): number | undefined => {
    if (!Number.isFinite(value)) return undefined;
    if (to.kind === 'double') return value;
    return to.kind === 'integer' ? roundHalf(value, from.kind === 'double') : roundTo(value, scaleOf(to));
  };
  if (from.kind === 'string') return (value) => (numberForm.test(value as string) ? round(Number(value)) : undefined);
  if (from.kind === 'boolean') return (value) => (value === true ? 1 : 0);
  return isNumeric(from) ? (value) => round(value as number) : undefined;
}

/** To a whole number, as DuckDB does: halves of a double to the even one (IEEE 754), others away from 0. */
function roundHalf(value: number, toEven: boolean): number {
  const rounded = Math.sign(value) * Math.round(Math.abs(value));
  if (toEven && Math.abs(value % 1) === 0.5 && rounded % 2 !== 0) return rounded - Math.sign(value);
  return rounded + 0;
}

/** Halves away from 0. `digits` below 0 round before the point. */
export function roundTo(value: number, digits: number): number {
  if (digits <= 0) {
    const unit = 10 ** -digits;
    return Math.sign(value) * Math.round(Math.abs(value) / unit) * unit + 0;
  }
  // A shift in the text is exact where a multiplication is not: 1.005 * 100 is 100.49999….
  const text = String(Math.abs(value));
  if (text.includes('e')) {
    const factor = 10 ** digits;
    const scaled = Math.round(Math.abs(value) * factor) / factor;
    return Number.isFinite(scaled) ? Math.sign(value) * scaled + 0 : value;
  }
  const [whole = '0', fraction = ''] = text.split('.');
  if (fraction.length <= digits) return value;
  const shifted = Math.round(Number(`${whole}${fraction.slice(0, digits)}.${fraction.slice(digits)}`));
  return Math.sign(value) * Number(`${shifted}e-${digits}`) + 0;
}

function toTime(from: SqlType, to: 'timestamp' | 'date'): Convert | undefined {
  const shape = to === 'date' ? (timeMs: number) => Math.floor(timeMs / dayMs) * dayMs : (timeMs: number) => timeMs;
  if (from.kind === 'timestamp' || from.kind === 'date') return (value) => shape(Number(value));
  if (from.kind !== 'string') return undefined;
  return (value) => {
    const timeMs = parseTimestamp(value as string);
    return timeMs === undefined ? undefined : shape(timeMs);
  };
}
