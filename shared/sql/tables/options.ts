import { milliseconds } from '#shared/pipeline/duration.ts';
import { nearest } from '#shared/pipeline/nearest.ts';
import type { SinkSpec } from '#shared/pipeline/sink.ts';
import { dynamodb, kinesis, s3 } from '#shared/pipeline/sink.ts';
import type { RowFileFormat } from '#shared/schemas/row-file.ts';
import { parseTimestamp } from '#shared/sql/expressions/time.ts';
import type { Name, Option } from '#shared/sql/parse/ast.ts';
import { unitMs } from '#shared/sql/parse/parse-interval.ts';
import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';

/** The options of a table, each of which is read once: what is left over is unknown. */
export class Options {
  readonly #options: Map<string, Option>;
  readonly #table: Name;
  readonly #known: string[] = [];

  constructor(table: Name, options: readonly Option[]) {
    this.#table = table;
    this.#options = new Map();
    for (const option of options) {
      const name = option.name.text.toLowerCase();
      if (this.#options.has(name))
        throw new SqlProblem(option.name.at, `'${option.name.text}' is there twice. Leave one out.`);
      this.#options.set(name, option);
    }
  }

  /** The value of the first of these names that is there. */
  take(...names: readonly string[]): Name | undefined {
    this.#known.push(...names);
    let found: Name | undefined;
    for (const name of names) {
      found ??= this.#options.get(name)?.value;
      this.#options.delete(name);
    }
    return found;
  }

  /** One of several words. */
  takeOneOf<const Word extends string>(words: readonly Word[], ...names: readonly string[]): Word | undefined {
    const value = this.take(...names);
    if (value === undefined) return undefined;
    return oneOf(value, words, `'${names[0]}'`);
  }

  /** A length of time, in milliseconds. */
  takeDuration(...names: readonly string[]): number | undefined {
    const value = this.take(...names);
    return value === undefined ? undefined : durationOf(value);
  }

  takeWhole(...names: readonly string[]): number | undefined {
    const value = this.take(...names);
    return value === undefined ? undefined : wholeOf(value);
  }

  /** A time, such as `2026-11-21` or `2026-11-21T10:00:00Z`. */
  takeTime(name: string): Date | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    const timeMs = parseTimestamp(value.text);
    if (timeMs === undefined)
      throw new SqlProblem(value.at, `'${name}' is '${value.text}', and no time. Write it as 2026-11-21T10:00:00Z.`);
    return new Date(timeMs);
  }

  /** Refuses what nobody has taken. */
  finish(): void {
    const [left] = this.#options.values();
    if (left === undefined) return;
    const meant = nearest(left.name.text, this.#known);
    throw new SqlProblem(
      left.name.at,
      `table ${this.#table.text} has no option '${left.name.text}'.${meant === undefined ? '' : ` Did you mean '${meant}'?`} There are ${this.#known.map((name) => `'${name}'`).join(', ')}.`,
    );
  }
}

/** One of several words, in any case. */
export function oneOf<const Word extends string>(value: Name, words: readonly Word[], what: string): Word {
  const found = words.find((word) => word === value.text.toLowerCase());
  if (found !== undefined) return found;
  const meant = nearest(value.text, words);
  throw new SqlProblem(
    value.at,
    `${what} is '${value.text}'; it must be one of ${words.join(', ')}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`,
  );
}

const units: Readonly<Record<string, string>> = {
  ms: 'MILLISECOND',
  s: 'SECOND',
  sec: 'SECOND',
  min: 'MINUTE',
  m: 'MINUTE',
  h: 'HOUR',
  d: 'DAY',
  w: 'WEEK',
};

/** `5 s`, `1 min`, `7 days`. */
export function durationOf({ text, at }: Name): number {
  const [, count, name = ''] = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*$/.exec(text) ?? [];
  const unit =
    units[name.toLowerCase()] ??
    [name.toUpperCase(), name.toUpperCase().replace(/S$/, '')].find((one) => one in unitMs);
  const ms = Number(count) * (unitMs[unit ?? ''] ?? Number.NaN);
  if (!Number.isSafeInteger(ms))
    throw new SqlProblem(at, `'${text}' is no length of time. Write '500 ms', '5 s', '1 min', '12 h' or '7 d'.`);
  return ms;
}

export function wholeOf({ text, at }: Name): number {
  if (!/^\s*\d{1,15}\s*$/.test(text)) throw new SqlProblem(at, `'${text}' is no whole number.`);
  return Number(text);
}

const ttlDefault = '7 d';
const sinkKinds = ['dynamodb', 's3', 'kinesis'] as const;

/** The sinks of a table that is written to: one kind, or several with commas between them. */
export function sinksOf(table: Name, options: Options): readonly SinkSpec[] {
  const connector = options.take('connector');
  if (connector === undefined)
    throw new SqlProblem(
      table.at,
      `table ${table.text} says nowhere where its rows go. Write WITH ('connector' = 'dynamodb'), or s3 or kinesis, or several: 'dynamodb, s3'.`,
    );
  const kinds = connector.text
    .split(',')
    .map((text) =>
      oneOf({ text: text.trim(), at: connector.at }, sinkKinds, "'connector' of a table that is written to"),
    );
  const ttl = options.takeDuration('ttl') ?? durationOf({ text: ttlDefault, at: table.at });
  const format = options.takeOneOf<RowFileFormat>(['parquet', 'ndjson'], 'format');
  const every = options.takeDuration('every');
  const rowsMax = options.takeWhole('rows-max');
  options.finish();
  const given = {
    ...(every === undefined ? {} : { every: milliseconds(every) }),
    ...(rowsMax === undefined ? {} : { rowsMax }),
  };
  const sinks = {
    dynamodb: () => dynamodb({ ttl: milliseconds(ttl) }),
    kinesis: () => kinesis(),
    s3: () => s3({ format: format ?? 'parquet', ...given }),
  };
  return kinds.map((kind) => sinks[kind]());
}

/** Where the rows of a query go that is no INSERT INTO. */
export function defaultSinks(at: Span): readonly SinkSpec[] {
  return [dynamodb({ ttl: milliseconds(durationOf({ text: ttlDefault, at })) })];
}
