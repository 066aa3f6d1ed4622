import { expect, test } from 'vitest';
import { agreeOnQueries } from './agree.ts';
import { ownOf } from './compare.ts';
import { shapeNames } from './queries.ts';

// Some queries of each shape; `npm run agree -- --queries 10000` has as many as one wants.

const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? 1);

test.each(shapeNames)('queries that end with %s: DuckDB agrees', async (shape) => {
  const { difference, compared } = await agreeOnQueries({ queries: 25, seed, shape });
  expect(difference).toBeUndefined();
  expect(compared).toBeGreaterThan(10);
});

test('a difference is found, and its query and its table cut down to what it takes', async () => {
  const { difference } = await agreeOnQueries({
    seed: 1,
    queries: 400,
    shape: 'rows',
    by: async (one) =>
      / LIKE '%a%'/.test(ownOf(one)) &&
      Object.values(one.tables)
        .flat()
        .some((row) => row['k'] === 'b')
        ? { kind: 'different', lines: ['it is'] }
        : { kind: 'same', rowCount: 0 },
  });
  const lines = difference?.lines ?? [];
  expect(lines[0]).toBe('it is');
  const records = lines.filter((line) => /^[tr] \{/.test(line));
  expect(records).toHaveLength(1);
  const query = lines.find((line) => line.includes('SELECT')) ?? '';
  expect(query.split('\n').at(-1)?.length).toBeLessThan(120);
});
