import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { askDuckDb, tableOf } from './duckdb.ts';
import { columnsOf, runSql } from './run-sql.ts';

// Expressions are made up type by type, and both engines compute them over the same records, NULLs among them.

type Text = fc.Arbitrary<string>;

const { number, text, condition, time } = fc.letrec<{ number: string; text: string; condition: string; time: string }>(
  (tie) => {
    const deep = { depthSize: 'small', maxDepth: 4 } as const;
    const call = (form: (...parts: string[]) => string, ...parts: Text[]): Text =>
      fc.tuple(...parts).map((found) => `(${form(...found)})`);
    const n = tie('number') as Text;
    const s = tie('text') as Text;
    const c = tie('condition') as Text;
    const t = tie('time') as Text;
    const small = fc.integer({ min: -3, max: 9 }).map((value) => `(${value})`);
    const length = fc.integer({ min: 0, max: 9 }).map(String);
    const unit = fc.constantFrom(
      'YEAR',
      'QUARTER',
      'MONTH',
      'WEEK',
      'DAY',
      'DOW',
      'ISODOW',
      'DOY',
      'HOUR',
      'MINUTE',
      'SECOND',
    );
    return {
      number: fc.oneof(
        deep,
        fc.constantFrom('a', 'b', 'd', 'CAST(NULL AS BIGINT)', '0', '1', '2.5', '0.908', '1e2'),
        call((x, y) => `${x} + ${y}`, n, n),
        call((x, y) => `${x} - ${y}`, n, n),
        call((x, y) => `${x} * ${y}`, n, n),
        call((x, y) => `${x} / NULLIF(${y}, 0)`, n, n),
        call((x, y) => `a % NULLIF(${x}, 0) + ${y}`, small, n),
        call((x) => `ABS(${x})`, n),
        call((x) => `-${x}`, n),
        call((x) => `FLOOR(${x})`, n),
        call((x) => `CEIL(${x})`, n),
        call((x) => `ROUND(${x})`, n),
        call((x) => `SIGN(${x})`, n),
        call((x) => `SQRT(ABS(${x}))`, n),
        call((x, y) => `GREATEST(${x}, ${y})`, n, n),
        call((x, y) => `LEAST(${x}, ${y})`, n, n),
        call((x, y) => `COALESCE(${x}, ${y})`, n, n),
        call((x, y) => `NULLIF(${x}, ${y})`, n, n),
        call((x, y, z) => `CASE WHEN ${x} THEN ${y} ELSE ${z} END`, c, n, n),
        call((x, y, z) => `CASE a WHEN ${x} THEN ${y} WHEN 3 THEN ${z} END`, small, n, n),
        call((x) => `LENGTH(${x})`, s),
        call((x, y) => `POSITION(${x} IN ${y})`, s, s),
        call((x) => `TRY_CAST(${x} AS BIGINT)`, s),
        call((x) => `CAST(${x} AS DOUBLE)`, n),
        call((x, y) => `EXTRACT(${x} FROM ${y})`, unit, t),
      ),
      text: fc.oneof(
        deep,
        fc.constantFrom('s', 's', "'Ab c'", "''", "'12'", "'a,b,,c'", 'CAST(NULL AS VARCHAR)'),
        call((x) => `UPPER(${x})`, s),
        call((x) => `LOWER(${x})`, s),
        call((x) => `TRIM(${x})`, s),
        call((x) => `LTRIM(${x})`, s),
        call((x) => `REVERSE(${x})`, s),
        call((x, y) => `${x} || ${y}`, s, s),
        call((x, y) => `CONCAT(${x}, ${y}, 'z')`, s, s),
        call((x, y, z) => `SUBSTRING(${x}, ${y}, ${z})`, s, small, length),
        call((x, y) => `SUBSTRING(${x}, ${y})`, s, small),
        call((x, y) => `LEFT(${x}, ${y})`, s, small),
        call((x, y) => `RIGHT(${x}, ${y})`, s, small),
        call((x, y) => `REPLACE(${x}, 'a', ${y})`, s, s),
        call((x, y) => `SPLIT_PART(${x}, ',', ${y})`, s, fc.constantFrom('1', '2', '3', '-1', '9')),
        call((x) => `CAST(${x} AS VARCHAR)`, fc.constantFrom('a', 'd', 'p', 't')),
        call((x, y) => `COALESCE(${x}, ${y})`, s, s),
        call((x, y, z) => `CASE WHEN ${x} THEN ${y} ELSE ${z} END`, c, s, s),
      ),
      condition: fc.oneof(
        deep,
        fc.constantFrom('p', 'TRUE', 'FALSE', 'CAST(NULL AS BOOLEAN)', 'a > 2', "s = 'x'", 'b IS NULL'),
        call((x, y) => `${x} AND ${y}`, c, c),
        call((x, y) => `${x} OR ${y}`, c, c),
        call((x) => `NOT ${x}`, c),
        call((x, y, z) => `${x} ${y} ${z}`, n, fc.constantFrom('=', '<>', '<', '<=', '>', '>='), n),
        call((x, y, z) => `${x} ${y} ${z}`, s, fc.constantFrom('=', '<>', '<', '<=', '>', '>='), s),
        call((x, y, z) => `${x} ${y} ${z}`, t, fc.constantFrom('=', '<', '>='), t),
        call(
          (x, y, z) => `a ${x} (${y}, 3, ${z})`,
          fc.constantFrom('IN', 'NOT IN'),
          small,
          fc.constantFrom('5', 'NULL', 'd'),
        ),
        call((x, y, z) => `a ${x} ${y} AND ${z}`, fc.constantFrom('BETWEEN', 'NOT BETWEEN'), n, n),
        call(
          (x, y, z) => `${x} ${y} ${z}`,
          s,
          fc.constantFrom('LIKE', 'NOT LIKE', 'ILIKE'),
          fc.constantFrom("'%a%'", "'_b%'", "'x'", "'%'", "'a.c'", 'NULL'),
        ),
        call(
          (x, y) => `${x} IS ${y}`,
          c,
          fc.constantFrom('NULL', 'NOT NULL', 'TRUE', 'NOT TRUE', 'FALSE', 'NOT FALSE'),
        ),
        call((x, y) => `${x} IS DISTINCT FROM ${y}`, s, s),
        call((x, y) => `${x} IS NOT DISTINCT FROM ${y}`, fc.constantFrom('a', 'd'), small),
        call((x) => `STARTS_WITH(${x}, 'a')`, s),
      ),
      time: fc.oneof(
        deep,
        fc.constantFrom('t', "TIMESTAMP '2024-02-29 23:59:59'", 'CAST(NULL AS TIMESTAMP)'),
        call((x, y) => `${x} + INTERVAL ${y}`, t, fc.constantFrom("'5' MINUTE", "'3' DAY", "'1' MONTH", "'1' YEAR")),
        call((x, y) => `${x} - INTERVAL ${y}`, t, fc.constantFrom("'90' SECOND", "'1' HOUR", "'2' MONTH")),
        call(
          (x, y) => `DATE_TRUNC('${x}', ${y})`,
          fc.constantFrom('year', 'quarter', 'month', 'week', 'day', 'hour', 'minute'),
          t,
        ),
      ),
    };
  },
);

const records = fc.array(
  fc.record({
    a: fc.option(fc.integer({ min: -4, max: 6 })),
    b: fc.option(fc.constantFrom(0, 1.5, -2.25, 1e3, 0.1)),
    d: fc.option(fc.integer({ min: 0, max: 3 })),
    s: fc.option(fc.constantFrom('', 'x', 'abc', ' aB,c ', '42', 'Ünï', '%_', "it's")),
    p: fc.option(fc.boolean()),
    t: fc.option(
      fc.constantFrom('2024-02-29 12:30:15', '1999-12-31 23:59:59', '2025-01-01 00:00:00', '1969-07-20 20:17:40'),
    ),
  }),
  { minLength: 1, maxLength: 6 },
);
const columns = { id: 'INTEGER', a: 'BIGINT', b: 'DOUBLE', d: 'INTEGER', s: 'VARCHAR', p: 'BOOLEAN', t: 'TIMESTAMP' };
const table = `CREATE TABLE r (id INT, a BIGINT, b DOUBLE, d INT, s STRING, p BOOLEAN, t TIMESTAMP(3)) WITH ('connector' = 'kinesis');`;

/** Both answers in one form: a time and a number as numbers, everything else as a text. */
function normalised(value: unknown): unknown {
  if (typeof value === 'number') return Math.abs(value) < 1e15 ? Number(value.toPrecision(10)) + 0 : value;
  if (typeof value !== 'string') return value;
  if (/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d/.test(value))
    return new Date(`${value.replace(' ', 'T').replace(/Z$/, '')}Z`).getTime();
  return /^-?\d+(\.\d+)?$/.test(value) ? Number(Number(value).toPrecision(10)) + 0 : value;
}

async function compare(
  rows: readonly Readonly<Record<string, unknown>>[],
  expressions: readonly string[],
): Promise<void> {
  const numbered = rows.map((row, id) => ({ id, ...row }));
  const own = columnsOf(
    runSql(
      `${table} SELECT id, ${expressions.map((expression, index) => `${expression} AS e${index}`).join(', ')} FROM r`,
      { r: numbered },
    ),
  );
  const theirs = await askDuckDb(
    `SELECT id, ${expressions.map((expression, index) => `${expression} AS e${index}`).join(', ')} FROM r ORDER BY id`,
    // Its optimizer takes date_trunc('year', NULL) = a time that begins no year for false.
    ['PRAGMA disable_optimizer', ...tableOf('r', columns, numbered)],
  );
  const byId = new Map(own.map((row) => [row['id'], row]));
  for (const row of theirs)
    for (const [index, expression] of expressions.entries()) {
      const name = `e${index}`;
      const found = byId.get(Number(row['id']))?.[name];
      expect([expression, numbered[Number(row['id'])], normalised(found)]).toEqual([
        expression,
        numbered[Number(row['id'])],
        normalised(row[name]),
      ]);
    }
}

const fuzzed = { numRuns: Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 60) };

describe('expressions agree with DuckDB', () => {
  for (const [kind, arbitrary] of Object.entries({ number, text, condition, time })) {
    test(`that give a ${kind}`, { timeout: fuzzTimeoutMs }, async () => {
      await fc.assert(
        fc.asyncProperty(records, fc.array(arbitrary as Text, { minLength: 5, maxLength: 10 }), compare),
        fuzzed,
      );
    });
  }
});
