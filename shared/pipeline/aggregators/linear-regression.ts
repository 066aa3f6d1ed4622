import { MillraceError } from '#shared/schemas/error.ts';
import type { Aggregator } from '../aggregator.ts';
import { readingThrough } from '../reads.ts';
import { given } from '../refuse.ts';
import {
  addPoint,
  createMoments,
  decodeMoments,
  encodeMoments,
  type Moments,
  mergeMoments,
  momentOf,
  refuseMoment,
} from './moments.ts';
import { checkPartNames } from './numeric.ts';
import { fitLast } from './regression.ts';

type Variable<In> = (record: In, timeMs: number) => number;

/** A straight line through points. Null where there is none: fewer than two different x; `r2` also where y never changes. */
export interface LinearFit {
  readonly count: number;
  readonly intercept: number | null;
  /** The part of y's variance that the line explains, from 0 to 1. */
  readonly r2: number | null;
  readonly slope: number | null;
}

/** A fit of several variables. Null where there is none, as when one of them never changes or the others make it up. */
export interface MultipleFit<Name extends string> {
  /** The coefficient of each variable. */
  readonly coefficients: { readonly [Variable in Name]: number } | null;
  readonly count: number;
  readonly intercept: number | null;
  readonly r2: number | null;
}

/**
 * The straight line that fits best, by ordinary least squares: `linearRegression((r) => r.bytes, (r) => r.latencyMs)` gives
 * `{ count, intercept, r2, slope }`. `prediction('column', { at: 100 })` derives what the line says at an x, `part('column.slope')` a part.
 *
 * Each part is the number nearest to its exact value, whatever the order of the records and however far the points lie from 0. The limits
 * are those of `variance`; state is a count and five exact sums.
 */
export function linearRegression<In>(
  x: Variable<In>,
  y: Variable<In>,
): Aggregator<In, readonly number[], Moments, LinearFit> {
  return regression('linear-regression', {}, [x, y], (moments) => {
    const { coefficients, intercept, r2 } = fitLast(moments);
    return { count: moments.count, intercept, r2, slope: coefficients?.[0] ?? null };
  });
}

const regressionVariablesMax = 8;

/**
 * The linear function of several variables that fits best, by ordinary least squares:
 * `multipleRegression({ bytes: (r) => r.bytes, rows: (r) => r.rows }, (r) => r.latencyMs)` gives
 * `{ coefficients: { bytes, rows }, count, intercept, r2 }`. At most `regressionVariablesMax` variables; exact as `linearRegression`.
 */
export function multipleRegression<In, Name extends string>(
  variables: Readonly<Record<Name, Variable<In>>>,
  y: Variable<In>,
): Aggregator<In, readonly number[], Moments, MultipleFit<Name>> {
  const names = (
    Object.keys(
      given('multipleRegression', 'variables', variables, 'them by name, such as { bytes: (record) => record.bytes }'),
    ) as Name[]
  ).sort();
  if (names.length < 1 || names.length > regressionVariablesMax) {
    throw new MillraceError(
      'PIPELINE_INVALID',
      `multipleRegression: there are ${names.length} variables; from 1 to ${regressionVariablesMax} are allowed.`,
    );
  }
  checkPartNames('multipleRegression', names);
  const selectors = [...names.map((name) => variables[name]), y];
  return regression('multiple-regression', { variables: names }, selectors, (moments) => {
    const { coefficients, intercept, r2 } = fitLast(moments);
    const named = Object.fromEntries(names.map((name, index) => [name, coefficients?.[index]]));
    return {
      coefficients: coefficients === null ? null : (named as { [Variable in Name]: number }),
      count: moments.count,
      intercept,
      r2,
    };
  });
}

function regression<In, Out>(
  kind: string,
  config: { readonly variables?: readonly string[] },
  selectors: readonly Variable<In>[],
  result: (moments: Moments) => Out,
): Aggregator<In, readonly number[], Moments, Out> {
  return {
    kind,
    gives: 'json',
    config: { ...config },
    select: readingThrough((record, timeMs) => selectors.map((select) => momentOf(select(record, timeMs))), selectors),
    refuse: (point) => {
      for (const value of point) {
        const refusal = refuseMoment(value);
        if (refusal !== undefined) return refusal;
      }
      return undefined;
    },
    create: () => createMoments(selectors.length),
    add: addPoint,
    merge: mergeMoments,
    result,
    encode: encodeMoments,
    decode: (encoded) => decodeMoments(kind, selectors.length, encoded),
  };
}
