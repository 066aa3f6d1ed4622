import { MillraceError } from '#shared/schemas/error.ts';
import type { BatchAggregate, Maker } from './aggregates.ts';

type Offer = readonly [by: unknown, timeMs: number, value: unknown];

/** JSON is ordered as numbers by size, then texts, then the rest by its text. */
const orderOf = (of: (offer: Offer) => unknown): BatchAggregate['inputs'] => [
  {
    type: 'BIGINT',
    cell: (offer: Offer) => (typeof of(offer) === 'number' ? 0 : typeof of(offer) === 'string' ? 1 : 2),
  },
  { type: 'DOUBLE', cell: (offer: Offer) => (typeof of(offer) === 'number' ? (of(offer) as number) : null) },
  {
    type: 'VARCHAR',
    cell: (offer: Offer) => (typeof of(offer) === 'string' ? (of(offer) as string) : JSON.stringify(of(offer))),
  },
];

/** The value of the record that is first by what it is compared by, its time and itself. `''`: ascending. */
function chosen(by: '' | 'DESC' | 'none', time: '' | 'DESC', value: '' | 'DESC' = ''): BatchAggregate {
  return {
    inputs: [
      { type: 'VARCHAR', cell: ([, , value]: Offer) => JSON.stringify(value) },
      { type: 'BIGINT', cell: ([, timeMs]: Offer) => timeMs },
      ...orderOf(([, , value]) => value),
      ...orderOf(([by]) => by),
    ],
    sql: ([shown, at, ...order]) => {
      const values = order.slice(0, 3);
      const ranks = by === 'none' ? [] : order.slice(3);
      // Where all of them go in one direction DuckDB need not sort each group, which takes ten times as long.
      const directions = new Set([...(by === 'none' ? [] : [by]), time, value]);
      if (directions.size === 1)
        return `arg_${time === '' ? 'min' : 'max'}(${shown}, row(${[...ranks, at, ...values].join(', ')}))`;
      const sorted = [
        ...ranks.map((cell) => `${cell} ${by}`),
        `${at} ${time}`,
        ...values.map((cell) => `${cell} ${value}`),
      ];
      return `first(${shown} ORDER BY ${sorted.join(', ')})`;
    },
    read: (text) => JSON.parse(String(text)) as unknown,
  };
}

/** Digits behind the point, as many as a decimal of 38 digits leaves room for. */
const decimalScale = 12;

/** Texts of JSON in the order of their values. */
function sorted(texts: readonly string[]): readonly unknown[] {
  const ranked = texts.map((text) => {
    const value = JSON.parse(text) as unknown;
    const rank = typeof value === 'number' ? 0 : typeof value === 'string' ? 1 : 2;
    return { rank, number: rank === 0 ? Number(value) : 0, text: rank === 1 ? String(value) : text, value };
  });
  return ranked
    .sort((a, b) => a.rank - b.rank || a.number - b.number || (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
    .map(({ value }) => value);
}

const valueOrder = orderOf(([, , value]) => value);
/** A value alone, with what it is ordered by. */
const alone: BatchAggregate['inputs'] = [{ type: 'VARCHAR', cell: (value: unknown) => JSON.stringify(value) }];

/** Aggregates of any values, by kind. */
export const valueAggregates: Readonly<Record<string, Maker>> = {
  first: () => chosen('none', ''),
  last: () => chosen('none', 'DESC', 'DESC'),
  'arg-min': () => chosen('', ''),
  'arg-max': () => chosen('DESC', ''),
  'decimal-sum': ({ as, scale }) => ({
    inputs: [
      { type: 'VARCHAR', cell: (text: string) => text },
      { type: 'BIGINT', cell: (text: string) => Number(scale ?? (text.split('.')[1] ?? '').length) },
    ],
    sql: ([v, digits]) => {
      const total = `sum(${v}::DECIMAL(38, ${decimalScale}))`;
      // As many digits behind the point as the value with the most; without any, no point.
      const length = `length(${total}::VARCHAR) - ${decimalScale} + max(${digits}) - (max(${digits}) = 0)::BIGINT`;
      return as === 'number' ? `${total}::DOUBLE` : `left(${total}::VARCHAR, ${length})`;
    },
  }),
  'arg-max-all': () => ({
    inputs: [
      { type: 'DOUBLE', cell: ([by]: readonly number[]) => by ?? null },
      { type: 'VARCHAR', cell: ([, value]: readonly unknown[]) => JSON.stringify(value) },
    ],
    sql: ([by, v]) => {
      const all = `list({'rank': ${by}, 'value': ${v}})`;
      return `list_transform(list_filter(${all}, lambda one: one.rank = max(${by})), lambda one: one.value)`;
    },
    read: (texts) => sorted(texts as readonly string[]),
  }),
  collect: ({ max, keep }) => ({
    inputs: [
      { type: 'VARCHAR', cell: ([, value]: readonly unknown[]) => JSON.stringify(value) },
      { type: 'BIGINT', cell: ([timeMs]: readonly number[]) => timeMs ?? null },
      ...valueOrder.map(({ type, cell }) => ({
        type,
        cell: ([timeMs, value]: readonly unknown[]) => cell([0, timeMs, value] as never),
      })),
    ],
    sql: ([shown, at, ...order]) => {
      const list = `list_sort(list(row(${[at, ...order, shown].join(', ')})))`;
      const some = keep === 'last' ? `${list}[-${Number(max)}:]` : `${list}[:${Number(max)}]`;
      return `list_transform(${some}, lambda one: one[${order.length + 2}])`;
    },
    read: (values) => (values as readonly string[]).map((value) => JSON.parse(value) as unknown),
  }),
  // Without a bound it is SQL's COUNT(DISTINCT x), which passes over NULL.
  distinct: ({ max }) =>
    max === undefined
      ? {
          inputs: [{ type: 'VARCHAR', cell: (value: unknown) => (value === null ? null : JSON.stringify(value)) }],
          sql: ([v]) => `count(DISTINCT ${v})::DOUBLE`,
        }
      : {
          inputs: alone,
          sql: ([v]) => `list(DISTINCT ${v})`,
          read: (texts) => {
            const values = sorted(texts as readonly string[]);
            return { complete: values.length <= Number(max), values: values.slice(0, Number(max)) };
          },
        },
  // SQL's MIN and MAX of texts and of truths.
  'min-text': () => ({
    inputs: alone,
    sql: ([v]) => `list(DISTINCT ${v})`,
    read: (texts) => sorted(texts as readonly string[]).at(0),
  }),
  'max-text': () => ({
    inputs: alone,
    sql: ([v]) => `list(DISTINCT ${v})`,
    read: (texts) => sorted(texts as readonly string[]).at(-1),
  }),
  // Exact while all values are counted; beyond, which of them are is a matter of how the records were cut.
  'top-k': ({ k, capacity }) => ({
    inputs: [
      { type: 'VARCHAR', cell: ([value]: readonly unknown[]) => JSON.stringify(value) },
      { type: 'DOUBLE', cell: ([, weight]: readonly unknown[]) => Number(weight) },
    ],
    sql: ([v, weight]) => `coalesce(list({'value': ${v}, 'weight': ${weight}}) FILTER (${weight} > 0), [])`,
    read: (entries) => {
      const byValue = Map.groupBy(entries as readonly { value: string; weight: number }[], ({ value }) => value);
      if (byValue.size >= Number(capacity))
        throw new MillraceError(
          'PIPELINE_INVALID',
          `topK counts ${byValue.size} different values with a capacity of ${capacity}, and estimates; no query says by how much. Give it a greater capacity.`,
        );
      const counted = sorted([...byValue.keys()]).map((value) => {
        const weights = byValue.get(JSON.stringify(value)) ?? [];
        return { value, count: weights.reduce((sum, { weight }) => sum + weight, 0), error: 0 };
      });
      return counted.sort((a, b) => b.count - a.count).slice(0, Number(k));
    },
  }),
  // Of each identity the least value; the least hashes are the sample.
  sampled: ({ size }) => ({
    inputs: [
      { type: 'DOUBLE', cell: ([hash]: readonly number[]) => hash ?? null },
      { type: 'VARCHAR', cell: ([, value]: readonly unknown[]) => JSON.stringify(value) },
    ],
    sql: ([hash, v]) => `list(DISTINCT {'hash': ${hash}, 'value': ${v}})`,
    read: (entries) => {
      const byHash = Map.groupBy(entries as readonly { hash: number; value: string }[], ({ hash }) => hash);
      return [...byHash]
        .sort(([a], [b]) => a - b)
        .slice(0, Number(size))
        .map(([, same]) => sorted(same.map(({ value }) => value))[0]);
    },
  }),
  // The rows that a query in SQL ranks within their group. Those that share a place with the last one are kept too.
  'top-rows': ({ rank, count, order }) => {
    const directions = order as readonly (readonly [descending: boolean, nullsFirst: boolean])[];
    type Ranked = readonly [order: readonly unknown[], values: readonly unknown[], tie: string];
    return {
      inputs: [
        { type: 'VARCHAR', cell: ([by, values]: Ranked) => JSON.stringify([by, values]) },
        { type: 'VARCHAR', cell: ([, , tie]: Ranked) => tie },
        ...directions.flatMap((_, at): BatchAggregate['inputs'] => [
          {
            type: 'DOUBLE',
            cell: ([by]: Ranked) => (typeof by[at] === 'string' ? null : Number(by[at] ?? Number.NaN)),
          },
          { type: 'VARCHAR', cell: ([by]: Ranked) => (typeof by[at] === 'string' ? (by[at] as string) : null) },
        ]),
      ],
      sql: ([shown, tie, ...by]) => {
        const sorted = directions.flatMap(([descending, nullsFirst], at) => {
          const direction = `${descending ? 'DESC' : ''} NULLS ${nullsFirst ? 'FIRST' : 'LAST'}`;
          return [`nullif(${by[2 * at]}, 'NaN') ${direction}`, `${by[2 * at + 1]} ${direction}`];
        });
        // Without an order all are alike.
        const list = `list({'shown': ${shown}, 'by': row(${['0', ...by].join(', ')})} ORDER BY ${[...sorted, tie].join(', ')})`;
        const last = Number(count);
        if (rank === 'ROW_NUMBER') return `list_transform(${list}[:${last}], lambda one: one.shown)`;
        const places = `list_distinct(list_transform(${list}[:place], lambda other: other.by))`;
        const kept =
          rank === 'DENSE_RANK'
            ? `list_filter(${list}, lambda one, place: len(${places}) <= ${last})`
            : `list_filter(${list}, lambda one, place: place <= ${last} OR one.by = ${list}[${last}].by)`;
        return `list_transform(${kept}, lambda one: one.shown)`;
      },
      read: (texts) => (texts as readonly string[]).map((text) => JSON.parse(text) as unknown),
    };
  },
  'exact-distinct': ({ max }) => ({
    inputs: alone,
    sql: ([v]) => `count(DISTINCT ${v})::DOUBLE`,
    // Beyond it is an estimate, with a standard error of 1.6 %.
    slack: ([v]) => `CASE WHEN count(DISTINCT ${v}) <= ${Number(max)} THEN 0 ELSE 0.08 * count(DISTINCT ${v}) END`,
    read: (count) => ({ count, exact: Number(count) <= Number(max) }),
  }),
};
