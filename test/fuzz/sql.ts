import { hasCode } from '#shared/schemas/error.ts';
import { sqlPipeline } from '#shared/sql/index.ts';
import type { Draw, FuzzTarget } from './targets.ts';

const table = `CREATE TABLE t (ip STRING, status INT, bytes BIGINT, price DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kinesis');\n`;

/** Queries of each kind, from which others are made by putting, taking and changing words. */
const queries = [
  "SELECT ip, bytes + 1 AS b FROM t WHERE status = 200 AND NOT (ip LIKE '1%' OR bytes IS NULL)",
  'SELECT ip, SUM(bytes) / (SELECT SUM(bytes) FROM t) AS ratio FROM t GROUP BY ip HAVING COUNT(*) > 3',
  "SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE) AS w, COUNT(DISTINCT ip) AS n FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
  "SELECT window_start, ip, SUM(bytes) / SUM(SUM(bytes)) OVER (PARTITION BY window_start, window_end) AS s FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, ip",
  "SELECT ip, COUNT(*) AS n FROM t GROUP BY ip, SESSION(ts, INTERVAL '30' MINUTE)",
  "SELECT window_end, MAX(price) AS p FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end",
  'SELECT ip, bytes, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY ip ORDER BY bytes DESC, ts) AS n FROM t) WHERE n <= 3',
  "SELECT a.ip, b.bytes FROM t a LEFT JOIN t AS b ON a.ip = b.ip AND b.status = 404 AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '5' SECOND",
  'SELECT a.ip FROM t a, t b WHERE a.ip = b.ip AND a.bytes < b.bytes',
  "WITH x (k) AS (SELECT ip FROM t UNION ALL SELECT UPPER(ip) FROM t) SELECT CASE k WHEN '1' THEN 1 ELSE 2 END AS c FROM x",
  "CREATE TABLE s (a STRING, b DOUBLE) WITH ('connector' = 'dynamodb, s3', 'ttl' = '1 d'); INSERT INTO s (b, a) SELECT price, ip FROM t",
  "CREATE VIEW v AS SELECT COALESCE(ip, 'x') AS a FROM t; SET 'slots' = '4'; SELECT DISTINCT a FROM v",
  "SELECT CAST(bytes AS DECIMAL(10, 2)) AS d, EXTRACT(HOUR FROM ts) AS h, bytes::STRING || 'x', -bytes % 3, ts - ts, DATE_FORMAT(ts, 'yyyy-MM-dd') FROM t",
] as const;

const pieces = /'(?:[^']|'')*'|[A-Za-z_]\w*|\d+(?:\.\d+)?|<>|<=|>=|\|\||::|[^\s\w]/g;
const words = [...new Set(queries.flatMap((query) => query.match(pieces) ?? []))];
const odd = [
  'NULL',
  '(((((',
  ')',
  ';',
  '--',
  '/*',
  '"',
  "'",
  '`',
  '1e999',
  '0x1',
  '\0',
  '\u{1f600}',
  'EXISTS',
  'LIMIT 5',
  'ORDER BY 1',
  'OVER ()',
  'FILTER (WHERE TRUE)',
  '.',
  '..',
  'INTERVAL',
  'window_start',
];

/** The words of a text, or characters that may be anything. */
function makeTokens(draw: Draw): readonly string[] {
  if (draw.chance(0.05))
    return [Array.from({ length: draw.below(40) }, () => String.fromCodePoint(draw.below(0x2ff))).join('')];
  const tokens: string[] = [...(draw.pick(queries).match(pieces) ?? [])];
  for (let edits = draw.below(5); edits > 0; edits -= 1) {
    const at = draw.below(tokens.length + 1);
    const word = draw.chance(0.85) ? draw.pick(words) : draw.pick(odd);
    if (draw.chance(0.3)) tokens.splice(at, 1);
    else tokens.splice(at, draw.chance(0.5) ? 1 : 0, word);
    // A part of another query may fit better than a word.
    if (draw.chance(0.15))
      tokens.splice(at, 0, ...(draw.pick(queries).match(pieces) ?? []).slice(draw.below(10), 10 + draw.below(10)));
  }
  return tokens;
}

/** What may stand between two words without a meaning. */
const blanks = ['\n', '\t ', " -- a comment; '\n", ' /* a\ncomment " */', '\r\n  '];
/** Words with which a comment or a text begins, so that what stands between it and the next has a meaning. */
const opening = /^(--|\/\*|["'`])$/;

/** What a text comes to: the hash of its plan, or the code of an error that shows its place. */
function outcomeOf(text: string): string {
  try {
    return sqlPipeline(text, { id: 'query' }).planHash;
  } catch (error) {
    // A plan that the builder refuses, such as a slide that makes too many windows, says so by the name of its step.
    if (hasCode(error, 'PIPELINE_INVALID')) return 'PIPELINE_INVALID';
    if (!hasCode(error, 'SQL_INVALID'))
      throw new Error(`${JSON.stringify(text)}: ${error instanceof Error ? error.stack : error}`);
    const { message } = error as Error;
    if (!/^SQL_INVALID: line \d+, column \d+: .+\n {2}.*\n {2} *\^+$/s.test(message))
      throw new Error(`no place in ${JSON.stringify(message)}`);
    return 'SQL_INVALID';
  }
}

/** Any text gives a pipeline or an error that shows its place, and the same with other blanks and comments between its words. */
export const sqlTargets: readonly FuzzTarget[] = [
  {
    name: 'sql-parser',
    group: 'sql',
    tryOne: (draw) => {
      const tokens = makeTokens(draw);
      const text = table + tokens.join(' ');
      const outcome = outcomeOf(text);
      if (tokens.some((token) => opening.test(token)) || draw.chance(0.5)) return;
      const spaced = table + tokens.map((token, at) => (at === 0 ? token : draw.pick(blanks) + token)).join('');
      const other = outcomeOf(spaced);
      if (other !== outcome)
        throw new Error(`${JSON.stringify(text)} gives ${outcome}, and ${JSON.stringify(spaced)} ${other}`);
    },
  },
];
