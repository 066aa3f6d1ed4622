import { expect, test } from 'vitest';
import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import { count } from '#shared/pipeline/aggregators/count.ts';
import { countDistinct } from '#shared/pipeline/aggregators/count-distinct.ts';
import { max } from '#shared/pipeline/aggregators/max.ts';
import { mean } from '#shared/pipeline/aggregators/mean.ts';
import { min } from '#shared/pipeline/aggregators/min.ts';
import { quantile } from '#shared/pipeline/aggregators/quantile.ts';
import { sum } from '#shared/pipeline/aggregators/sum.ts';

interface Request {
  readonly ip: string;
  readonly bytes: number;
}

function columnsOf<const A extends Readonly<Record<string, AnyAggregator<Request>>>>(columns: A): A {
  return columns;
}

test('the record type is inferred where the columns are expected', () => {
  // The compiler is the test: none of these callbacks is annotated.
  const columns = columnsOf({
    requests: count(),
    large: count((r) => r.bytes > 1_000),
    bytes: sum((r) => r.bytes),
    least: min((r) => r.bytes),
    most: max((r) => r.bytes),
    mean: mean((r) => r.bytes),
    ips: countDistinct((r) => r.ip),
    p99: quantile(0.99, (r) => r.bytes, { accuracy: 0.02 }),
  });
  // @ts-expect-error a column that the record does not have
  columnsOf({ bytes: sum((r) => r.byts) });
  // @ts-expect-error a text cannot be summed
  columnsOf({ bytes: sum((r) => r.ip) });
  expect(Object.values(columns).map(({ kind }) => kind)).toEqual([
    'count',
    'count',
    'sum',
    'min',
    'max',
    'mean',
    'count-distinct',
    'quantile',
  ]);
});
