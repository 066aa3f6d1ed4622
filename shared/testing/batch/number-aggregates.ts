import type { BatchAggregate, Maker } from './aggregates.ts';
import type { Cell } from './database.ts';

const number = { type: 'DOUBLE', cell: (selected: number): Cell => selected } as const;

/**
 * DuckDB adds with a compensation that leaves an error of two units in the last place, of the sum of the magnitudes. A unit is 2.2e-16, so
 * that whole numbers up to a million millions must be equal.
 */
const roundings = 1e-15;

/** DuckDB's variance goes from value to value and rounds at each, ours once: this part of the squares it may be off. */
const spreadRoundings = 1e-12;

const pair: BatchAggregate['inputs'] = [
  { type: 'DOUBLE', cell: ([x]: readonly number[]) => x ?? null },
  { type: 'DOUBLE', cell: ([, y]: readonly number[]) => y ?? null },
];

/** What counts as 0 in a sketch of quantiles. */
const nearZero = '1e-9';

/** The value of rank floor(q (n - 1)), counted from 0. */
function rankedSql(v: string | undefined, q: number): string {
  return `list_sort(list(${v}))[1 + floor(${q} * (count(*) - 1))::BIGINT]`;
}

/** A number with the event time of its record. */
const timed: BatchAggregate['inputs'] = [
  { type: 'BIGINT', cell: ([timeMs]: readonly number[]) => timeMs ?? null },
  { type: 'DOUBLE', cell: ([, value]: readonly number[]) => value ?? null },
];
const firstOf = (at = '', v = ''): string => `arg_min(${v}, row(${at}, ${v}))`;
const lastOf = (at = '', v = ''): string => `arg_max(${v}, row(${at}, ${v}))`;

/** What is divided by what has been subtracted loses digits; ours does not. */
const fitShare = 1e-6;

/** Aggregates of numbers, by kind. */
export const numberAggregates: Readonly<Record<string, Maker>> = {
  count: () => ({ inputs: [number], sql: ([v]) => `sum(${v})` }),
  sum: () => ({
    inputs: [number],
    sql: ([v]) => `fsum(${v})`,
    slack: ([v]) => `${roundings} * sum(abs(${v}))`,
  }),
  mean: () => ({
    inputs: [number],
    sql: ([v]) => `fsum(${v}) / count(*)`,
    slack: ([v]) => `${roundings} * sum(abs(${v})) / count(*)`,
  }),
  min: () => ({ inputs: [number], sql: ([v]) => `min(${v})` }),
  max: () => ({ inputs: [number], sql: ([v]) => `max(${v})` }),
  'count-distinct': ({ precision }) => {
    const registers = 2 ** Number(precision);
    return {
      // What is selected is the value's hash.
      inputs: [number],
      sql: ([v]) => `count(DISTINCT ${v})`,
      // Exact while it is few; five times the standard error beyond.
      slack: ([v]) =>
        `CASE WHEN count(DISTINCT ${v}) <= ${Math.floor(registers / 9)} THEN 0 ELSE 5 * 1.04 / sqrt(${registers}) * count(DISTINCT ${v}) END`,
    };
  },
  quantile: ({ q, accuracy }) => {
    return {
      inputs: [number],
      sql: ([v]) => rankedSql(v, Number(q)),
      share: Number(accuracy) * (1 + 1e-9),
      slack: () => nearZero,
    };
  },
  quantiles: ({ parts, accuracy }) => {
    const entries = Object.entries(parts as Readonly<Record<string, number>>);
    return {
      inputs: [number],
      sql: ([v]) => `[${entries.map(([, q]) => rankedSql(v, q)).join(', ')}]`,
      share: Number(accuracy) * (1 + 1e-9),
      slack: () => nearZero,
      read: (values) =>
        Object.fromEntries(entries.map(([name], index) => [name, (values as readonly number[])[index]])),
    };
  },
  variance: ({ population }) => ({
    inputs: [number],
    sql: ([v]) => `${population === true ? 'var_pop' : 'var_samp'}(${v})`,
    slack: ([v]) => `${spreadRoundings} * avg(${v} * ${v})`,
  }),
  stddev: ({ population }) => ({
    inputs: [number],
    sql: ([v]) => `${population === true ? 'stddev_pop' : 'stddev_samp'}(${v})`,
    slack: ([v]) => `sqrt(${spreadRoundings} * avg(${v} * ${v}))`,
  }),
  covariance: ({ population }) => ({
    inputs: pair,
    sql: ([x, y]) => `${population === true ? 'covar_pop' : 'covar_samp'}(${x}, ${y})`,
    slack: ([x, y]) => `${spreadRoundings} * (avg(${x} * ${x}) + avg(${y} * ${y}))`,
  }),
  correlation: () => ({
    inputs: pair,
    sql: ([x, y]) => `CASE WHEN min(${x}) = max(${x}) OR min(${y}) = max(${y}) THEN NULL ELSE corr(${x}, ${y}) END`,
    slack: () => '1e-9',
  }),
  histogram: ({ bounds }) => ({
    inputs: [number],
    sql: ([v]) => {
      const edges = ['-Infinity', ...(bounds as readonly number[]), 'Infinity'].map((bound) => `'${bound}'::DOUBLE`);
      const counts = edges
        .slice(1)
        .map((to, index) => `count(*) FILTER (${v} >= ${edges[index]} AND ${v} < ${to})::DOUBLE`);
      return `[${counts.join(', ')}]`;
    },
  }),
  'linear-regression': () => ({
    inputs: pair,
    sql: ([x, y]) => {
      const isLine = `min(${x}) < max(${x})`;
      const fitted = (name: string): string => `CASE WHEN ${isLine} THEN regr_${name}(${y}, ${x}) END`;
      const r2 = `CASE WHEN ${isLine} AND min(${y}) < max(${y}) THEN regr_r2(${y}, ${x}) END`;
      return `[count(*)::DOUBLE, ${fitted('intercept')}, ${r2}, ${fitted('slope')}]`;
    },
    share: fitShare,
    slack: ([, y]) => `${fitShare} * max(abs(${y}))`,
    read: (fit) => {
      const [count, intercept, r2, slope] = fit as readonly unknown[];
      return { count, intercept, r2, slope };
    },
  }),
  'rate-of-change': ({ perMs }) => ({
    inputs: timed,
    sql: ([at, v]) =>
      `CASE WHEN min(${at}) < max(${at}) THEN (${lastOf(at, v)} - ${firstOf(at, v)}) / (max(${at}) - min(${at})) * ${Number(perMs)} END`,
    share: 1e-12,
  }),
  ewma: ({ halfLifeMs }) => ({
    inputs: timed,
    sql: ([at, v]) => {
      // By the distance from the newest value, so that no weight overflows.
      const weights = `list_transform(list(${at}), lambda one: pow(2, (one - max(${at})) / ${Number(halfLifeMs)}))`;
      return `list_inner_product(${weights}, list(${v})) / list_sum(${weights})`;
    },
    share: fitShare,
    slack: ([, v]) => `${fitShare} * max(abs(${v}))`,
  }),
  'z-score': () => ({
    inputs: timed,
    sql: ([at, v]) => {
      const others = `(fsum(${v}) - ${lastOf(at, v)}) / (count(*) - 1)`;
      const squares = `fsum(${v} * ${v}) - pow(${lastOf(at, v)}, 2) - (count(*) - 1) * pow(${others}, 2)`;
      return `CASE WHEN count(*) >= 3 AND ${squares} > 1e-9 THEN (${lastOf(at, v)} - ${others}) / sqrt(${squares}) * sqrt(count(*) - 2) END`;
    },
    share: fitShare,
  }),
};
