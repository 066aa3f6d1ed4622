import type { Expression } from '#shared/sql/parse/ast.ts';
import { partsOf } from '#shared/sql/parse/walk.ts';
import { type Relation, type RelationColumn, resolve } from './relation.ts';

export type Side = 'left' | 'right';

/** A condition of a join by what it says. */
export type JoinCondition =
  | { readonly op: 'equal'; readonly left: Expression; readonly right: Expression; readonly at: Expression['at'] }
  /** right time - left time is at least, or at most, so much. */
  | { readonly op: 'bound'; readonly lowerMs?: number; readonly upperMs?: number; readonly expression: Expression }
  | { readonly op: 'side'; readonly side: Side; readonly expression: Expression }
  | { readonly op: 'rest'; readonly expression: Expression };

/** Reads one of the conditions that AND puts together; `sideOf` tells the columns of both sides apart. */
export function readCondition(
  expression: Expression,
  combined: Relation,
  sideOf: (column: RelationColumn) => Side,
): readonly JoinCondition[] {
  const sidesOf = (part: Expression): ReadonlySet<Side> => {
    if (part.op === 'column') return new Set([sideOf(resolve(combined, part).column)]);
    return new Set(partsOf(part).flatMap((inner) => [...sidesOf(inner)]));
  };
  const bounds = readBounds(expression, (part) => timeOf(part, combined, sideOf));
  if (bounds !== undefined) return bounds.map((bound) => ({ op: 'bound', ...bound, expression }));
  const sides = sidesOf(expression);
  const [only] = sides;
  if (sides.size === 1 && only !== undefined) return [{ op: 'side', side: only, expression }];
  if (expression.op === 'binary' && expression.sign === '=') {
    const [first, ...others] = sidesOf(expression.left);
    const [second, ...rest] = sidesOf(expression.right);
    if (others.length === 0 && rest.length === 0 && first !== undefined && second !== undefined) {
      const { left, right, at } = expression;
      return [first === 'left' ? { op: 'equal', left, right, at } : { op: 'equal', left: right, right: left, at }];
    }
  }
  return [{ op: 'rest', expression }];
}

interface Bound {
  readonly lowerMs?: number;
  readonly upperMs?: number;
}

interface Time {
  readonly side: Side;
  readonly offsetMs: number;
}

/** The event time of a side, with an interval added or taken. */
function timeOf(
  expression: Expression,
  combined: Relation,
  sideOf: (column: RelationColumn) => Side,
): Time | undefined {
  if (expression.op === 'column') {
    const { column, rest } = resolve(combined, expression);
    return column.role === 'time' && rest.length === 0 ? { side: sideOf(column), offsetMs: 0 } : undefined;
  }
  if (expression.op !== 'binary' || (expression.sign !== '+' && expression.sign !== '-')) return undefined;
  const { left, right, sign } = expression;
  if (right.op === 'interval' && right.months === 0) {
    const time = timeOf(left, combined, sideOf);
    return time && { ...time, offsetMs: time.offsetMs + (sign === '-' ? -right.ms : right.ms) };
  }
  if (left.op === 'interval' && left.months === 0 && sign === '+') {
    const time = timeOf(right, combined, sideOf);
    return time && { ...time, offsetMs: time.offsetMs + left.ms };
  }
  return undefined;
}

function readBounds(
  expression: Expression,
  read: (part: Expression) => Time | undefined,
): readonly Bound[] | undefined {
  if (expression.op === 'between' && !expression.negated) {
    const value = read(expression.operand);
    const low = read(expression.low);
    const high = read(expression.high);
    if (value === undefined || low === undefined || high === undefined) return undefined;
    if (low.side === value.side || high.side === value.side) return undefined;
    return [boundOf(low, value, 0), boundOf(value, high, 0)];
  }
  if (expression.op !== 'binary') return undefined;
  const left = read(expression.left);
  const right = read(expression.right);
  if (left === undefined || right === undefined || left.side === right.side) return undefined;
  switch (expression.sign) {
    case '<=':
      return [boundOf(left, right, 0)];
    case '<':
      return [boundOf(left, right, 1)];
    case '>=':
      return [boundOf(right, left, 0)];
    case '>':
      return [boundOf(right, left, 1)];
    case '=':
      return [boundOf(left, right, 0), boundOf(right, left, 0)];
    default:
      return undefined;
  }
}

/** `lower + gap <= upper`, in milliseconds. */
function boundOf(lower: Time, upper: Time, gap: number): Bound {
  // lower.time + lower.offset + gap <= upper.time + upper.offset
  return upper.side === 'right'
    ? { lowerMs: lower.offsetMs - upper.offsetMs + gap }
    : { upperMs: upper.offsetMs - lower.offsetMs - gap };
}
