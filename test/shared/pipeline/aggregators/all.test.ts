import { execFileSync } from 'node:child_process';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from 'vitest';
import type { AnyAggregator, Json } from '#shared/pipeline/aggregator.ts';
import { typesOfValues } from '#shared/pipeline/column-types.ts';
import * as language from '#shared/pipeline/index.ts';
import { all, type Sale } from './all.ts';
import { seededRandom } from './arbitraries.ts';

const random = seededRandom(19);
const sales = Array.from({ length: 300 }, (_, index): Sale => {
  const price = Math.round(random() * 1_000) / 100;
  return { at: index * 37, shop: `shop ${Math.floor(random() ** 2 * 12)}`, price, amount: price * 3 + random() };
});

function fill(aggregator: AnyAggregator<Sale>, list: readonly Sale[]): unknown {
  return list.reduce<unknown>(
    (state, sale) => aggregator.add(state, aggregator.select(sale, sale.at)),
    aggregator.create(),
  );
}

test('every aggregator of the language is here', () => {
  const aggregators = Object.entries(language).filter(
    ([name, value]) => typeof value === 'function' && /[/]aggregators[/]/.test(sourceOf(name)),
  );
  expect(aggregators.map(([name]) => name).sort()).toEqual(Object.keys(all).sort());
});

test('the comment of every aggregator says how exact it is', () => {
  const silent = Object.keys(all).filter((name) => {
    const file = execFileSync('cat', [`shared/pipeline/${sourceOf(name)}`], { encoding: 'utf8' });
    const [before = ''] = file.split(`export function ${name}<`);
    return !/exact|nearest|off by|standard error/i.test(before.slice(before.lastIndexOf('/**')));
  });
  expect(silent).toEqual([]);
});

/** The file that the language's index takes a name from. */
function sourceOf(name: string): string {
  const line = exportLines.find(([names]) => names.has(name));
  return line?.[1] ?? '';
}

const exportLines = [...readIndex().matchAll(/export \{([^}]*)\} from '([^']*)'/g)].map(
  ([, names = '', path = '']) => [new Set(names.split(',').map((name) => name.trim())), path] as const,
);

function readIndex(): string {
  return execFileSync('cat', ['shared/pipeline/index.ts'], { encoding: 'utf8' });
}

test('a state goes on in another process as if nothing had happened', () => {
  const half = sales.slice(0, 150);
  const states = Object.fromEntries(
    Object.entries<AnyAggregator<Sale>>(all).map(([name, aggregator]) => [
      name,
      aggregator.encode(fill(aggregator, half)),
    ]),
  );
  const printed = execFileSync(process.execPath, [new URL('decode-elsewhere.ts', import.meta.url).pathname], {
    input: JSON.stringify({ states, sales: sales.slice(150) }),
    encoding: 'utf8',
  });
  const expected = Object.fromEntries(
    Object.entries<AnyAggregator<Sale>>(all).map(([name, aggregator]) => {
      const state = fill(aggregator, sales);
      return [name, { state: aggregator.encode(state), result: aggregator.result(state) }];
    }),
  );
  expect(printed).toBe(JSON.stringify(expected));
});

test('what parts of the records give merges to what all of them give, in whatever order', () => {
  for (const [name, aggregator] of Object.entries<AnyAggregator<Sale>>(all)) {
    const parts = [3, 1, 0, 2].map((part) =>
      fill(
        aggregator,
        sales.filter((_, index) => index % 4 === part),
      ),
    );
    const merged = parts.reduce(aggregator.merge, aggregator.create());
    expect([name, aggregator.encode(merged) as Json]).toEqual([name, aggregator.encode(fill(aggregator, sales))]);
  }
});

test('what gives other than the values that it is given says of which type it is', () => {
  const chosen = ['argMax', 'argMin', 'first', 'last'];
  for (const [name, aggregator] of Object.entries<AnyAggregator<Sale>>(all)) {
    const [type] = typesOfValues([aggregator.result(fill(aggregator, sales))]);
    const isWhole = aggregator.gives === 'integer' && type === 'number';
    expect([name, isWhole ? 'integer' : type]).toEqual([name, chosen.includes(name) ? 'string' : aggregator.gives]);
    expect(chosen.includes(name)).toBe(aggregator.gives === undefined);
  }
});

test('DuckDB gives the same', async () => {
  const connection = await (await DuckDBInstance.create()).connect();
  const values = sales.map(({ at, shop, price, amount }) => `(${at}, '${shop}', ${price}, ${amount})`);
  const reader = await connection.runAndReadAll(
    `WITH sales(ms, shop, price, amount) AS (SELECT ms::BIGINT, shop, price::DOUBLE, amount::DOUBLE FROM (VALUES ${values.join(', ')}) AS v(ms, shop, price, amount))
     SELECT var_samp(price) AS variance, stddev_samp(price) AS stddev, covar_samp(price, amount) AS covariance,
       corr(price, amount) AS correlation, regr_slope(amount, price) AS slope, regr_intercept(amount, price) AS intercept,
       regr_r2(amount, price) AS r2, arg_max(shop, (price, -ms)) AS argMax, arg_min(shop, (price, ms)) AS argMin,
       arg_min(shop, ms) AS first, arg_max(shop, ms) AS last, count(DISTINCT shop)::INTEGER AS shops,
       sum(price::DECIMAL(18, 2))::VARCHAR AS exact, list(price ORDER BY ms)[:5] AS collected,
       [count(*) FILTER (price < 2), count(*) FILTER (price >= 2 AND price < 5), count(*) FILTER (price >= 5)]::INTEGER[] AS histogram,
       (SELECT list({ count: n::INTEGER, error: 0, value: shop } ORDER BY n DESC, shop) FROM (SELECT shop, count(*) AS n FROM sales GROUP BY shop ORDER BY n DESC, shop LIMIT 2)) AS top
     FROM sales`,
  );
  const [row = {}] = reader.getRowObjectsJson() as readonly Readonly<Record<string, unknown>>[];
  const resultOf = (name: keyof typeof all): unknown => {
    const aggregator: AnyAggregator<Sale> = all[name];
    return aggregator.result(fill(aggregator, sales));
  };
  const fit = resultOf('linearRegression') as language.LinearFit;
  const near: readonly (readonly [unknown, unknown])[] = [
    [resultOf('variance'), row['variance']],
    [resultOf('stddev'), row['stddev']],
    [resultOf('covariance'), row['covariance']],
    [resultOf('correlation'), row['correlation']],
    [fit.slope, row['slope']],
    [fit.intercept, row['intercept']],
    [fit.r2, row['r2']],
  ];
  for (const [found, expected] of near) expect(found).toBeCloseTo(Number(expected), 9);
  expect({
    argMax: resultOf('argMax'),
    argMin: resultOf('argMin'),
    first: resultOf('first'),
    last: resultOf('last'),
    shops: (resultOf('exactDistinct') as language.DistinctCount).count,
    exact: resultOf('decimalSum'),
    collected: resultOf('collect'),
    histogram: resultOf('histogram'),
    top: resultOf('topK'),
  }).toEqual({
    argMax: row['argMax'],
    argMin: row['argMin'],
    first: row['first'],
    last: row['last'],
    shops: row['shops'],
    exact: row['exact'],
    collected: row['collected'],
    histogram: row['histogram'],
    top: row['top'],
  });
});
