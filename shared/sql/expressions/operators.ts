import type { Json } from '#shared/pipeline/aggregator.ts';
import { compareJson } from '#shared/pipeline/aggregators/json-order.ts';
import { dayMs } from '#shared/schemas/time.ts';
import type { Binary, BinarySign } from '#shared/sql/parse/ast.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import { castTo, roundTo } from './cast.ts';
import { type Compiled, folded, type Strict, strictly } from './compiled.ts';
import { addMonths } from './time.ts';
import {
  booleanType,
  dateType,
  decimalType,
  describeType,
  doubleType,
  integerType,
  intervalType,
  isComparable,
  isNumeric,
  monthsType,
  type SqlType,
  scaleOf,
  stringType,
  timestampType,
} from './types.ts';

/** `left sign right` for the types that the sign takes. */
export function compileBinary(
  { sign, signAt }: Pick<Binary, 'sign' | 'signAt'>,
  left: Compiled,
  right: Compiled,
): Compiled {
  switch (sign) {
    case 'AND':
    case 'OR':
      return compileLogic(sign, condition(left, signAt), condition(right, signAt));
    case '||':
      return concatenated(left, right, signAt);
    case '+':
    case '-':
    case '*':
    case '/':
    case '//':
    case '%':
      return compileArithmetic(sign, left, right, signAt);
    default:
      return compileComparison(sign, left, right, signAt);
  }
}

/** A value as a condition: a boolean. */
export function condition(operand: Compiled, at: Span): Compiled {
  const { kind } = operand.type;
  if (kind === 'boolean' || kind === 'null') return operand;
  if (kind === 'any') return checkedAs(operand, 'boolean', booleanType);
  throw new SqlProblem(
    at,
    `expected a condition, and found a value of type ${describeType(operand.type)}. Compare it with something, such as x <> 0.`,
  );
}

/** A value whose type is known only when it is there, as one of this type; others are rejected with their record. */
export function checkedAs(operand: Compiled, kind: 'boolean' | 'number' | 'string', type: SqlType): Compiled {
  const call = (value: unknown): unknown => {
    if (typeof value === kind) return value;
    throw new Error(`expected a ${kind} in ${operand.text}, and found ${JSON.stringify(value)}`);
  };
  return strictly({ type, text: operand.text, args: [operand], call });
}

/** A value of JSON that is to be told from others: a list or an object is rejected with its record. */
export function scalarOf(operand: Compiled): Compiled {
  if (operand.type.kind !== 'any') return operand;
  const call = (value: unknown): unknown => {
    if (typeof value !== 'object' || value instanceof Date) return value;
    throw new Error(
      `${JSON.stringify(value)} in ${operand.text} cannot be compared; name a field of it, or CAST it to a text`,
    );
  };
  return strictly({ type: operand.type, text: operand.text, args: [operand], call });
}

/** Three-valued: NULL AND FALSE is FALSE, NULL OR TRUE is TRUE. The right side is not looked at when the left one decides. */
function compileLogic(sign: 'AND' | 'OR', left: Compiled, right: Compiled): Compiled {
  const a = left.evaluate;
  const b = right.evaluate;
  const decides = sign === 'OR';
  return folded({
    type: booleanType,
    nullable: left.nullable || right.nullable,
    isConstant: left.isConstant && right.isConstant,
    text: `(${left.text} ${sign} ${right.text})`,
    evaluate: (values) => {
      const first = a(values);
      if (first === decides) return decides;
      const second = b(values);
      if (second === decides) return decides;
      return first === null || second === null ? null : !decides;
    },
  });
}

export function compileNot(operand: Compiled, at: Span): Compiled {
  const arg = condition(operand, at);
  return strictly({ type: booleanType, text: `NOT ${arg.text}`, args: [arg], call: (value: boolean) => !value });
}

function concatenated(left: Compiled, right: Compiled, at: Span): Compiled {
  const args = [asText(left, at), asText(right, at)];
  const call = (a: string, b: string): string => a + b;
  return strictly({ type: stringType, text: `(${left.text} || ${right.text})`, args, call });
}

/** A value as a text, as CAST gives it. */
export function asText(operand: Compiled, at: Span): Compiled {
  return operand.type.kind === 'string' || operand.type.kind === 'null'
    ? operand
    : { ...castTo(operand, stringType, false, at), text: operand.text };
}

const compares: Readonly<Record<string, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

export function compileComparison(sign: BinarySign, left: Compiled, right: Compiled, at: Span): Compiled {
  const [a, b] = alike(left, right, at);
  const text = `(${a.text} ${sign} ${b.text})`;
  if (sign === 'IS DISTINCT FROM' || sign === 'IS NOT DISTINCT FROM') {
    const wanted = sign === 'IS NOT DISTINCT FROM';
    const isConstant = a.isConstant && b.isConstant;
    const [first, second] = [scalarOf(a).evaluate, scalarOf(b).evaluate];
    const evaluate: Compiled['evaluate'] = (values) => (first(values) === second(values)) === wanted;
    return folded({ type: booleanType, nullable: false, isConstant, text, evaluate });
  }
  const isKnown = a.type.kind !== 'any' && b.type.kind !== 'any';
  return strictly({
    type: booleanType,
    text,
    args: [a, b],
    call: isKnown ? directCompare(sign) : carefulCompare(sign),
  });
}

function directCompare(sign: BinarySign): Strict {
  switch (sign) {
    case '=':
      return (a: number, b: number) => a === b;
    case '<>':
      return (a: number, b: number) => a !== b;
    case '<':
      return (a: number, b: number) => a < b;
    case '<=':
      return (a: number, b: number) => a <= b;
    case '>':
      return (a: number, b: number) => a > b;
    default:
      return (a: number, b: number) => a >= b;
  }
}

function carefulCompare(sign: BinarySign): Strict {
  const holds = compares[sign] as (order: number) => boolean;
  return (a: unknown, b: unknown) => holds(orderOf(a, b));
}

/** Refuses what has no order: lists and rows. */
export function checkOrdered(type: SqlType, at: Span): void {
  if (type.kind === 'row' || type.kind === 'array')
    throw new SqlProblem(at, `values of type ${describeType(type)} have no order.`);
}

/** Below 0 when `a` comes first. Neither is NULL. */
export function orderOf(a: unknown, b: unknown): number {
  if (typeof a !== typeof b || typeof a === 'object')
    throw new Error(`${JSON.stringify(a)} and ${JSON.stringify(b)} cannot be compared; CAST one of them`);
  return (a as number) < (b as number) ? -1 : a === b ? 0 : 1;
}

/** Below 0 when `a` comes first, in the direction that was asked for, wherever in it NULL stands. Values of different types go by their types. */
export function orderIn(
  a: Json,
  b: Json,
  { descending, nullsFirst }: { readonly descending: boolean; readonly nullsFirst: boolean },
): number {
  if (a === b) return 0;
  if (a === null || b === null) return (a === null) === nullsFirst ? -1 : 1;
  const found = typeof a === typeof b && typeof a !== 'object' ? orderOf(a, b) : compareJson(a, b);
  return descending ? -found : found;
}

/** Both sides of a comparison with one type: a text beside a time is read as one, and so is a literal text beside a number. */
export function alike(left: Compiled, right: Compiled, at: Span): readonly [Compiled, Compiled] {
  const isTime = ({ type }: Compiled): boolean => type.kind === 'timestamp' || type.kind === 'date';
  const adapt = (one: Compiled, other: Compiled): Compiled => {
    if (
      one.type.kind === 'string' &&
      (isTime(other) || (one.isConstant && (isNumeric(other.type) || other.type.kind === 'boolean')))
    )
      return castTo(one, other.type.kind === 'integer' ? doubleType : other.type, false, at);
    if (one.type.kind === 'any' && isTime(other)) return castTo(one, other.type, false, at);
    return one;
  };
  const a = adapt(left, right);
  const b = adapt(right, left);
  if (isComparable(a.type, b.type)) return [a, b];
  throw new SqlProblem(
    at,
    `${describeType(a.type)} and ${describeType(b.type)} cannot be compared. Cast one of them: CAST(x AS ${describeType(b.type)}).`,
  );
}

export function compileArithmetic(
  sign: '+' | '-' | '*' | '/' | '//' | '%',
  left: Compiled,
  right: Compiled,
  at: Span,
): Compiled {
  const text = `(${left.text} ${sign} ${right.text})`;
  const timed = compileTimeArithmetic(sign, left, right, text);
  if (timed !== undefined) return timed;
  const args = [asNumber(left, at, sign), asNumber(right, at, sign)] as const;
  const type = arithmeticType(sign, args[0].type, args[1].type);
  const nullable =
    args.some((arg) => arg.nullable) || ((sign === '/' || sign === '//' || sign === '%') && !isNonZero(args[1]));
  return strictly({ type, text, args, call: arithmeticCall(sign, type, args), nullable });
}

function isNonZero(operand: Compiled): boolean {
  return operand.isConstant && operand.evaluate({}) !== 0 && operand.evaluate({}) !== null;
}

/** A value as a number; what is no number at all is a problem of the query. */
export function asNumber(operand: Compiled, at: Span, sign: string): Compiled {
  const { type } = operand;
  if (isNumeric(type)) return operand;
  if (type.kind === 'null') return { ...operand, type: doubleType };
  if (type.kind === 'any') return checkedAs(operand, 'number', doubleType);
  if (type.kind === 'string' && operand.isConstant) return castTo(operand, doubleType, false, at);
  throw new SqlProblem(at, `${sign} takes numbers, and found ${describeType(type)}. ${asNumberAdvice(type)}`);
}

/** How a number that counts from 1970 becomes a time. */
export const timeOfNumber = 'TO_TIMESTAMP_LTZ(x, 3) of milliseconds, TO_TIMESTAMP_LTZ(x, 0) of seconds';

function asNumberAdvice({ kind }: SqlType): string {
  if (kind === 'interval' || kind === 'months')
    return `An interval goes with a timestamp. Make one of a number: ${timeOfNumber}.`;
  return kind === 'timestamp' || kind === 'date'
    ? 'Its milliseconds since 1970 are EPOCH_MS(x).'
    : 'Cast it: CAST(x AS DOUBLE).';
}

function arithmeticType(sign: string, a: SqlType, b: SqlType): SqlType {
  if (sign === '/') return doubleType;
  if (a.kind === 'double' || b.kind === 'double') return doubleType;
  if (a.kind === 'integer' && b.kind === 'integer') return integerType;
  if (sign === '//') return integerType;
  return decimalType(sign === '*' ? scaleOf(a) + scaleOf(b) : Math.max(scaleOf(a), scaleOf(b)));
}

function arithmeticCall(sign: string, type: SqlType, [left, right]: readonly [Compiled, Compiled]): Strict {
  const plain = plainCall(sign);
  const scale = Math.max(scaleOf(left.type), scaleOf(right.type));
  if (scale > 0 && type.kind !== 'double' && (sign === '%' || sign === '//')) {
    // Of doubles 1.0 % 0.1 is nearly 0.1, and 0.3 // 0.1 is 2; of whole numbers of the last digit nothing is lost.
    const whole = (value: number): number => Math.round(value * 10 ** scale);
    const call = (a: number, b: number): number => plain(whole(a), whole(b));
    return sign === '//' ? call : (a: number, b: number) => roundTo(call(a, b) / 10 ** scale, scale);
  }
  if (type.kind !== 'decimal') return plain as Strict;
  return (a: number, b: number) => roundTo(plain(a, b), type.scale);
}

function plainCall(sign: string): (a: number, b: number) => number {
  switch (sign) {
    case '+':
      return (a, b) => a + b;
    case '-':
      return (a, b) => a - b;
    case '*':
      return (a, b) => a * b;
    case '/':
      return (a, b) => a / b;
    case '//':
      // Towards 0 as in DuckDB for whole numbers.
      return (a, b) => Math.trunc(a / b) + 0;
    default:
      // The sign is the dividend's.
      return (a, b) => (a % b) + 0;
  }
}

/** Times and intervals; undefined when the sign stands between numbers. */
function compileTimeArithmetic(sign: string, left: Compiled, right: Compiled, text: string): Compiled | undefined {
  const a = left.type.kind;
  const b = right.type.kind;
  const of = (type: SqlType, call: Strict): Compiled => strictly({ type, text, args: [left, right], call });
  const isTime = (kind: string): boolean => kind === 'timestamp' || kind === 'date';
  const direction = sign === '-' ? -1 : 1;
  if (sign === '+' || sign === '-') {
    if (isTime(a) && b === 'interval') return of(timestampType, (time: number, ms: number) => time + direction * ms);
    if (isTime(a) && b === 'months')
      return of(a === 'date' ? dateType : timestampType, (time: number, months: number) =>
        addMonths(time, direction * months),
      );
    if (a === 'date' && b === 'integer')
      return of(dateType, (time: number, days: number) => time + direction * days * dayMs);
    if (a === 'interval' && b === 'interval') return of(intervalType, (x: number, y: number) => x + direction * y);
    if (a === 'months' && b === 'months') return of(monthsType, (x: number, y: number) => x + direction * y);
    if (sign === '+' && isTime(b) && a === 'interval')
      return of(timestampType, (ms: number, time: number) => time + ms);
    if (sign === '+' && isTime(b) && a === 'months')
      return of(timestampType, (months: number, time: number) => addMonths(time, months));
    if (sign === '-' && a === 'date' && b === 'date') return of(integerType, (x: number, y: number) => (x - y) / dayMs);
    if (sign === '-' && isTime(a) && isTime(b)) return of(intervalType, (x: number, y: number) => x - y);
  }
  if (sign === '*' && a === 'interval' && isNumeric(right.type))
    return of(intervalType, (ms: number, count: number) => Math.round(ms * count));
  if (sign === '*' && b === 'interval' && isNumeric(left.type))
    return of(intervalType, (count: number, ms: number) => Math.round(ms * count));
  if (sign === '/' && a === 'interval' && isNumeric(right.type))
    return of(intervalType, (ms: number, count: number) => (count === 0 ? null : Math.round(ms / count)));
  return undefined;
}

/** `-x`, `+x`. */
export function compileSign(sign: '-' | '+', operand: Compiled, at: Span): Compiled {
  const isInterval = operand.type.kind === 'interval' || operand.type.kind === 'months';
  const arg = isInterval ? operand : asNumber(operand, at, sign);
  if (sign === '+') return arg;
  return strictly({ type: arg.type, text: `-${arg.text}`, args: [arg], call: (value: number) => 0 - value });
}
