import fc from 'fast-check';

/** Texts that look like queries, more or less: whole ones, ones with words put, taken and exchanged, words in any order, and noise. */
const whole = [
  'SELECT ip, bytes FROM t WHERE status = 200',
  'SELECT ip, SUM(bytes) / (SELECT SUM(bytes) FROM t) AS ratio FROM t GROUP BY ip',
  "SELECT ip, COUNT(*) AS n FROM t GROUP BY ip, TUMBLE(ts, INTERVAL '1' MINUTE) HAVING COUNT(*) > 3",
  "SELECT window_start, ip, SUM(bytes) AS b FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, ip",
  'SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY bytes DESC) AS n FROM t) WHERE n <= 3',
  "SELECT a.ip, b.bytes FROM t a LEFT JOIN t b ON a.ip = b.ip AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '5' SECOND",
  "WITH x AS (SELECT ip FROM t UNION ALL SELECT UPPER(ip) FROM t) SELECT CASE WHEN ip LIKE '1%' THEN 1 ELSE 2 END AS k FROM x",
  "CREATE TABLE s (a STRING) WITH ('connector' = 'dynamodb', 'ttl' = '1 d'); INSERT INTO s SELECT ip FROM t",
  "CREATE VIEW v (a) AS SELECT COALESCE(ip, 'x') FROM t; SELECT a, COUNT(*) FROM v GROUP BY a",
  'SELECT CAST(bytes AS DECIMAL(10, 2)) AS d, EXTRACT(HOUR FROM ts) AS h, bytes::STRING, -bytes, ts - ts FROM t',
  'SELECT DISTINCT status FROM t',
] as const;
const table =
  "CREATE TABLE t (ip STRING, status INT, bytes BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kinesis');\n";

const words = [...new Set(whole.flatMap((text) => text.match(/\w+|'[^']*'|[^\s\w]/g) ?? []))];
const word = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...words) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'NULL',
      'OVER',
      'FILTER',
      '(',
      ')',
      '((((((',
      '1e999',
      '0',
      "''",
      '"a b"',
      '`x`',
      '--',
      '/*',
      '*/',
      '::',
      'IS NOT NULL',
      'EXISTS',
      'LIMIT 5',
      'ORDER BY 1',
      ';',
      '\n',
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 8, unit: 'grapheme' }) },
);

interface Edit {
  readonly at: number;
  readonly kind: 'put' | 'take' | 'change';
  readonly word: string;
}

function edited(text: string, edits: readonly Edit[]): string {
  const tokens: string[] = [...(text.match(/\w+|'[^']*'|[^\s\w]/g) ?? [])];
  for (const { at, kind, word: other } of edits) {
    const index = at % Math.max(1, tokens.length);
    if (kind === 'put') tokens.splice(index, 0, other);
    else if (kind === 'take') tokens.splice(index, 1);
    else tokens[index] = other;
  }
  return tokens.join(' ');
}

const edits = fc.array(fc.record({ at: fc.nat(200), kind: fc.constantFrom('put', 'take', 'change'), word }), {
  maxLength: 4,
});

export const sqlTexts: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom(...whole), edits)
      .map(([text, changes]) => table + edited(text, changes as readonly Edit[])),
  },
  { weight: 3, arbitrary: fc.array(word, { maxLength: 25 }).map((found) => `${table}SELECT ${found.join(' ')}`) },
  { weight: 1, arbitrary: fc.array(word, { maxLength: 25 }).map((found) => found.join(' ')) },
  { weight: 1, arbitrary: fc.string({ maxLength: 60, unit: 'binary' }) },
);
