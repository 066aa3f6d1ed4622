import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quantile } from '#shared/pipeline/aggregators/quantile.ts';
import { quantiles } from '#shared/pipeline/aggregators/quantiles.ts';
import { aggregatorLaws } from '#test/contracts/aggregator.ts';

const value = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((number) => number + 0);
const latency = quantiles({ p99: 0.99, p50: 0.5 }, (number: number) => number, { accuracy: 0.02 });

aggregatorLaws('quantiles', () => quantiles({ p50: 0.5 }, (number: number) => number), value);

test('each is what a quantile of its own gives', () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 100 }), (values) => {
      const own = (q: number): number => {
        const one = quantile(q, (number: number) => number, { accuracy: 0.02 });
        return one.result(values.reduce(one.add, one.create()));
      };
      expect(latency.result(values.reduce(latency.add, latency.create()))).toEqual({ p50: own(0.5), p99: own(0.99) });
    }),
  );
});

test('the order in which they are named does not count', () => {
  const other = quantiles({ p50: 0.5, p99: 0.99 }, (number: number) => number, { accuracy: 0.02 });
  expect(JSON.stringify(other.config)).toBe(JSON.stringify(latency.config));
});

test('what is no quantile is refused when the pipeline is written', () => {
  expect(() => quantiles({ p50: 50 }, (number: number) => number)).toThrow(
    'quantiles: q is 50; it must be from 0 to 1.',
  );
  expect(() => quantiles({ 'p99.9': 0.999 }, (number: number) => number)).toThrow('quantiles: "p99.9" is not a name');
  expect(() => quantiles({}, (number: number) => number)).toThrow(
    'quantiles: 0 are asked for; from 1 to 100 are allowed.',
  );
  expect(() => quantiles({ p: 0 }, (number: number) => number, { accuracy: 0 })).toThrow('quantiles: accuracy is 0');
});
