import { nearest } from '#shared/pipeline/nearest.ts';
import { assert } from '#shared/schemas/error.ts';
import { aggregateNames } from '#shared/sql/parse/aggregate-names.ts';
import type { Call } from '#shared/sql/parse/ast.ts';
import { grouped, ordered } from '#shared/sql/parse/other-clauses.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import type { Compiled } from './compiled.ts';
import { choiceFunctions } from './functions/choice.ts';
import { jsonFunctions } from './functions/json.ts';
import { listFunctions } from './functions/list.ts';
import { numberFunctions } from './functions/number.ts';
import type { FunctionTable } from './functions/signature.ts';
import { textFunctions } from './functions/text.ts';
import { timeFunctions } from './functions/time.ts';

const functions: FunctionTable = {
  ...choiceFunctions,
  ...listFunctions,
  ...jsonFunctions,
  ...numberFunctions,
  ...textFunctions,
  ...timeFunctions,
};

/** Functions that need a clock or chance: a record that is read again must give the same. */
const impure: Readonly<Record<string, string>> = {
  NOW: 'the time of the clock',
  CURRENT_TIMESTAMP: 'the time of the clock',
  LOCALTIMESTAMP: 'the time of the clock',
  CURRENT_DATE: 'the time of the clock',
  PROCTIME: 'the time of the clock',
  RANDOM: 'chance',
  RAND: 'chance',
  UUID: 'chance',
  CURRENT_TIME: 'the time of the clock',
  LOCALTIME: 'the time of the clock',
  CURRENT_ROW_TIMESTAMP: 'the time of the clock',
  SYSDATE: 'the time of the clock',
  GETDATE: 'the time of the clock',
  RAND_INTEGER: 'chance',
};

const quantiles = 'Write APPROX_QUANTILE(x, 0.5), which is off by at most 1 %.';
const listed = 'Write collect(…) in TypeScript around the query: docs/language/aggregators.md.';

const ofZone = "Times are in UTC. For another zone add its offset: x + INTERVAL '1' HOUR.";
const noJson =
  'Of a column of type JSON or ROW<…> the fields stand behind a dot: a.b; CAST(x AS STRING) writes it as a text.';
const hashed = 'Compute it in TypeScript around the query: stream.map(…).';

const added = "Write x + INTERVAL '1' DAY.";
const bucketed = "Write GROUP BY TUMBLE(ts, INTERVAL '5' MINUTE).";
const formatted = "Write DATE_FORMAT(x, 'yyyy-MM-dd').";

/** What other databases have, and what says the same here. */
const elsewhere: Readonly<Record<string, string>> = {
  MEDIAN: quantiles,
  QUANTILE: quantiles,
  PERCENTILE: quantiles,
  PERCENTILE_CONT: quantiles,
  PERCENTILE_DISC: quantiles,
  ROLLUP: grouped,
  CUBE: grouped,
  SETS: grouped,
  LAG: ordered,
  LEAD: ordered,
  NTILE: 'Number the rows: ROW_NUMBER() OVER (PARTITION BY … ORDER BY …).',
  STRING_AGG: listed,
  LISTAGG: listed,
  ARRAY_AGG: listed,
  COLLECT: listed,
  DATE: 'Write CAST(x AS DATE), or DATE_TRUNC with a unit.',
  DAYOFWEEK: 'Write EXTRACT(DOW FROM x), which is 0 on Sunday, or EXTRACT(ISODOW FROM x), which is 7.',
  EPOCH: 'Write EXTRACT(EPOCH FROM x).',
  DATEDIFF: 'Write TIMESTAMPDIFF(DAY, from, to), or to - from.',
  DATE_DIFF: 'Write TIMESTAMPDIFF(DAY, from, to), or to - from.',
  DATE_ADD: added,
  DATEADD: added,
  DATE_SUB: added,
  TIME_BUCKET: bucketed,
  DATE_BIN: bucketed,
  STRFTIME: formatted,
  TO_CHAR: formatted,
  STRPTIME: "Write TO_TIMESTAMP(x, 'yyyy-MM-dd HH:mm:ss').",
  NVL: 'Write COALESCE(x, y).',
  ISNULL: 'Write x IS NULL, or COALESCE(x, y).',
  LOG: 'Write LN(x), LOG10(x) or LOG2(x).',
  MODE: 'Count each value, and take the first: ROW_NUMBER() OVER (ORDER BY n DESC).',
  LEN: 'Write LENGTH(x).',
  UCASE: 'Write UPPER(x).',
  LCASE: 'Write LOWER(x).',
  BTRIM: "Write TRIM(x), or TRIM(x, '-').",
  DECODE: 'Write CASE x WHEN a THEN b ELSE c END.',
  IS_ALPHA: "Write x REGEXP '^[A-Za-z]+$'.",
  IS_DIGIT: "Write x REGEXP '^[0-9]+$'.",
  IS_DECIMAL: 'Write TRY_CAST(x AS DOUBLE) IS NOT NULL.',
  ARRAY_LENGTH: 'Write CARDINALITY(list).',
  LIST_CONTAINS: 'Write ARRAY_CONTAINS(list, x).',
  ARRAY: 'Lists are read, and not made. Name what you want in columns.',
  ROW: 'Rows are read, and not made. Name what you want in columns.',
  CONVERT_TZ: ofZone,
  CONVERT_TIMEZONE: ofZone,
  CURRENT_WATERMARK: 'What comes behind the watermark is late, and is counted and kept as such.',
  MAKE_DATE: "Write DATE '2026-11-21', or CAST(text AS DATE).",
  LAST_DAY: "Write DATE_TRUNC('month', x) + INTERVAL '1' MONTH - INTERVAL '1' DAY.",
  DAYNAME: "Write DATE_FORMAT(x, 'EEEE').",
  MONTHNAME: "Write DATE_FORMAT(x, 'MMMM').",
  AGE: 'Write to - from, or TIMESTAMPDIFF(DAY, from, to).',
  MD5: hashed,
  SHA1: hashed,
  SHA2: hashed,
  SHA256: hashed,
  EVERY: 'Write BOOL_AND(x).',
  SOME: 'Write BOOL_OR(x).',
  ANY_VALUE: 'Write FIRST_VALUE(x).',
  MAX_BY: 'Write ARG_MAX(x, by).',
  MIN_BY: 'Write ARG_MIN(x, by).',
  MEAN: 'Write AVG(x).',
  COUNT_IF: 'Write COUNT(*) FILTER (WHERE condition).',
  COUNTIF: 'Write COUNT(*) FILTER (WHERE condition).',
  APPROX_DISTINCT: 'Write APPROX_COUNT_DISTINCT(x).',
  TUMBLE_PROCTIME: 'Windows are made by the event time: TUMBLE_START, TUMBLE_END and TUMBLE_ROWTIME.',
  JSON_STRING: noJson,
  JSON_OBJECT: noJson,
  JSON_ARRAY: noJson,
  TO_JSON: noJson,
  JSON_EXTRACT: "Write JSON_VALUE(x, '$.a'), or of a column of type JSON its fields behind a dot: a.b.",
  JSON_EXTRACT_STRING: "Write JSON_VALUE(x, '$.a').",
  PARSE_JSON: "Write JSON_VALUE(x, '$.a') for what is in the text.",
  ALL: 'Compare with GREATEST(…) or LEAST(…), or write several comparisons.',
  ANY: 'Write x IN (…), or several comparisons.',
};

/** The names of all functions of a record's values, for the docs and their test. */
export const functionNames: readonly string[] = Object.keys(functions);

/** Refuses a call of what is no function of a record's values. */
export function checkFunction(call: Call): void {
  const { name, nameAt } = call;
  if (Object.hasOwn(elsewhere, name)) throw unknownFunction(call);
  if (call.over !== undefined)
    throw new SqlProblem(
      call.at,
      'OVER stands in two places: ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) with WHERE rownum <= n around it, and SUM(SUM(x)) OVER (PARTITION BY window_start, window_end) beside GROUP BY.',
    );
  if (aggregateNames.has(name))
    throw new SqlProblem(
      nameAt,
      `${name} is an aggregate, and stands in SELECT, HAVING or ORDER BY of a query with groups only. In WHERE compare columns; move the condition to HAVING.`,
    );
  if (call.distinct || call.filter !== undefined || call.withinGroup !== undefined)
    throw new SqlProblem(call.at, `${name} is no aggregate, so it takes no DISTINCT, FILTER or WITHIN GROUP.`);
  if (!Object.hasOwn(functions, name)) throw unknownFunction(call);
}

export function compileFunction(call: Call, args: readonly Compiled[]): Compiled {
  const { name } = call;
  const found = functions[name];
  assert(found !== undefined, `${name} was checked to be a function`);
  const [min, max] = found.count;
  if (args.length < min || args.length > max) {
    const count = min === max ? `${min}` : max === Number.POSITIVE_INFINITY ? `${min} or more` : `${min} to ${max}`;
    throw new SqlProblem(
      call.at,
      `${name} takes ${count} argument${count === '1' ? '' : 's'}, and found ${args.length}. Write ${found.form}.`,
    );
  }
  return found.compile(args, call);
}

/** Why there is no function, or column, of this name; undefined for any other. */
export function impurity(name: string): string | undefined {
  return Object.hasOwn(impure, name)
    ? `${name} depends on ${impure[name]}, and a record that is read again after a failure must give the same. Use the event time.`
    : undefined;
}

function unknownFunction({ name, nameAt }: Call): SqlProblem {
  const reason = impurity(name);
  if (reason !== undefined) return new SqlProblem(nameAt, reason);
  if (['TUMBLE', 'HOP', 'SESSION', 'CUMULATE'].includes(name))
    return new SqlProblem(
      nameAt,
      `${name}(…) stands in GROUP BY, or in FROM as TABLE(${name}(TABLE t, DESCRIPTOR(ts), …)).`,
    );
  const [, window, bound] = /^(TUMBLE|HOP|SESSION|CUMULATE)_(START|END|ROWTIME)$/.exec(name) ?? [];
  if (window !== undefined)
    return new SqlProblem(
      nameAt,
      `${name} shows the ${bound?.toLowerCase()} of the window that records are grouped by, in SELECT and HAVING. Write GROUP BY ${window}(ts, …) too.`,
    );
  const other = elsewhere[name];
  if (other !== undefined) return new SqlProblem(nameAt, `${name} is not supported. ${other}`);
  const names = [...Object.keys(functions), ...aggregateNames];
  const meant = nearest(name, names);
  const all = Object.keys(functions).join(', ');
  return new SqlProblem(
    nameAt,
    `there is no function ${name}.${meant === undefined ? ` There are ${all}; and the aggregates ${[...aggregateNames].join(', ')}.` : ` Did you mean ${meant}?`}`,
  );
}
