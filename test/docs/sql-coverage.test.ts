import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { functionNames } from '#shared/sql/expressions/functions.ts';
import { aggregateNames, rankNames } from '#shared/sql/parse/aggregate-names.ts';
import { fencesOf } from './page.ts';

const code = fencesOf(readFileSync('docs/language/sql.md', 'utf8'))
  .filter(({ language }) => language === 'sh' || language === 'sql')
  .map(({ text }) => text)
  .join('\n');

test('every function and aggregate of SQL has an example', () => {
  const names = [...functionNames, ...aggregateNames, ...rankNames];
  expect(names.length).toBeGreaterThan(80);
  expect(names.filter((name) => !code.includes(`${name}(`))).toEqual([]);
});
