import type { Cursor } from './cursor.ts';
import { SqlProblem } from './problem.ts';

export const ordered = 'Write a process function in TypeScript around the query: docs/language/operators.md.';
export const grouped =
  'Write a query for each: of windows with UNION ALL between them, otherwise each with an INSERT INTO of its own.';
const flattened = 'Make a record of each element before the query: stream.flatMap(…) in TypeScript.';
export const namedWindows =
  'named windows (WINDOW w AS …) are not supported. Write OVER (PARTITION BY … ORDER BY …) out.';
const named = '* stands for all columns. Name those that you want.';

/** What other databases have behind or within a query, by the words that begin it, and what says the same here. */
const clauses: Readonly<Record<string, string>> = {
  'EMIT CHANGES': "EMIT CHANGES is of ksqlDB. Leave it out; how rows are shown says SET 'emit' = 'on-update'.",
  'EMIT FINAL': "EMIT FINAL is of ksqlDB. Leave it out, and write SET 'emit' = 'on-close' before the query.",
  'WINDOW TUMBLING': "windows are a part of GROUP BY. Write GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE).",
  'WINDOW HOPPING':
    "windows are a part of GROUP BY. Write GROUP BY k, HOP(ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE).",
  'WINDOW SESSION': "windows are a part of GROUP BY. Write GROUP BY k, SESSION(ts, INTERVAL '5' MINUTE).",
  WINDOW: namedWindows,
  'GROUPING SETS': `GROUPING SETS is not supported. ${grouped}`,
  'MATCH_RECOGNIZE (': `MATCH_RECOGNIZE is not supported. ${ordered}`,
  'UNNEST (': `UNNEST is not supported: a record gives one row. ${flattened}`,
  'LATERAL TABLE': `LATERAL TABLE is not supported: a record gives one row. ${flattened}`,
  'LATERAL (': 'LATERAL is not supported. Join the tables: … JOIN t ON a.k = t.k AND ….',
  'EXCLUDE (': named,
  'EXCEPT (': named,
  'REPLACE (': named,
  TABLESAMPLE: 'TABLESAMPLE is not supported: chance would choose other records when they are read again.',
};

/** Refuses what stands next when it is one of these clauses. */
export function refuseClause(cursor: Cursor, ...beginnings: readonly string[]): void {
  for (const [beginning, message] of Object.entries(clauses))
    if ((beginnings.length === 0 || beginnings.includes(beginning)) && cursor.isNext(...beginning.split(' ')))
      throw new SqlProblem(cursor.spot, message);
}

/** What is written for a sign of other databases. */
export const otherSigns: Readonly<Record<string, string>> = {
  '~': "A text is compared with an expression by x REGEXP '…'.",
  '!': 'Write NOT.',
  '^': 'Write POWER(x, y).',
  '&': 'Numbers have no bits here.',
  '|': 'Texts are put together by a || b.',
};
