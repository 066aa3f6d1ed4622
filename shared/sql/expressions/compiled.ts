import { knownReadsOf, readingThrough } from '#shared/pipeline/reads.ts';
import { timeMsMax } from './time.ts';
import type { SqlType } from './types.ts';

/** A record, or the row of a step, by column. Columns that are not there are NULL. */
export type Values = Readonly<Record<string, unknown>>;

/** An expression that is ready to run. */
export interface Compiled {
  readonly type: SqlType;
  /** Whether it may be NULL. */
  readonly nullable: boolean;
  /** Pure. Throws an Error that says what is wrong with the record. */
  readonly evaluate: (values: Values) => unknown;
  /** What it computes, in one form however it is written: what has the same text is the same, and a changed text is a changed plan. */
  readonly text: string;
  /** It depends on no column. */
  readonly isConstant: boolean;
  /** It is this column and nothing else; dots stand between the fields of a row. */
  readonly column?: string;
}

/** The expression, known to read of a record what its parts do. Any of it may be one of them. */
export function readingParts(compiled: Compiled, parts: readonly Compiled[]): Compiled {
  const { evaluate } = compiled;
  const isPart = parts.some((part) => part.evaluate === evaluate);
  if (parts.length > 0 && !isPart && knownReadsOf(evaluate) === undefined)
    readingThrough(
      evaluate,
      parts.map((part) => part.evaluate),
    );
  return compiled;
}

/** Whether a condition is true, and not NULL, for a record. */
export function holds({ evaluate }: Compiled): (values: Values) => boolean {
  return readingThrough((values: Values) => evaluate(values) === true, [evaluate]);
}

/** What a function does with values none of which is NULL. */
export type Strict = (...values: readonly never[]) => unknown;

/**
 * A call whose value is NULL when one of the arguments is. A number that is none (0 / 0, LN(0)) or has no end is NULL too: JSON has no such
 * number, and a row with one would be no row. So is a time that is too far away for JavaScript, some 270,000 years: no reader would know it.
 */
export function strictly(of: {
  readonly type: SqlType;
  readonly text: string;
  readonly args: readonly Compiled[];
  readonly call: Strict;
  readonly nullable?: boolean;
}): Compiled {
  const { type, text, args } = of;
  const call = of.call as (...values: readonly unknown[]) => unknown;
  const largest = largestOf(type);
  const evaluate = evaluator(args, largest === undefined ? call : (...values) => within(largest, call(...values)));
  const isConstant = args.every((arg) => arg.isConstant);
  const nullable = of.nullable ?? args.some((arg) => arg.nullable);
  return folded({ type, text, nullable, evaluate, isConstant });
}

/** The largest value of a type of numbers or times. */
function largestOf({ kind }: SqlType): number | undefined {
  if (kind === 'timestamp' || kind === 'date') return timeMsMax;
  return kind === 'integer' || kind === 'double' || kind === 'decimal' ? Number.MAX_VALUE : undefined;
}

function within(largest: number, value: unknown): unknown {
  return typeof value !== 'number' || Math.abs(value) <= largest ? value : null;
}

function evaluator(args: readonly Compiled[], call: (...values: readonly unknown[]) => unknown): Compiled['evaluate'] {
  const [first, second] = args;
  if (args.length === 1 && first !== undefined) {
    const { evaluate } = first;
    return (values) => {
      const value = evaluate(values);
      return value === null ? null : call(value);
    };
  }
  if (args.length === 2 && first !== undefined && second !== undefined) {
    const left = first.evaluate;
    const right = second.evaluate;
    return (values) => {
      const a = left(values);
      if (a === null) return null;
      const b = right(values);
      return b === null ? null : call(a, b);
    };
  }
  const evaluates = args.map((arg) => arg.evaluate);
  return (values) => {
    const found = evaluates.map((evaluate) => evaluate(values));
    return found.includes(null) ? null : call(...found);
  };
}

/** A constant is computed once. One that throws does so when a record comes, as any other does. */
export function folded(compiled: Compiled): Compiled {
  if (!compiled.isConstant) return compiled;
  try {
    const value = compiled.evaluate({});
    return { ...compiled, nullable: value === null, evaluate: () => value };
  } catch {
    return compiled;
  }
}

export function constant(type: SqlType, value: unknown, text: string): Compiled {
  return { type, nullable: value === null, evaluate: () => value, text, isConstant: true };
}

/** The value of a constant; undefined when it is none. */
export function constantOf(compiled: Compiled | undefined): unknown {
  return compiled?.isConstant === true ? compiled.evaluate({}) : undefined;
}
