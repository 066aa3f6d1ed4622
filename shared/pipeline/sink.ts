import type { RowFileFormat } from '#shared/schemas/row-file.ts';
import { type Duration, minutes } from './duration.ts';
import { givenOptions } from './refuse.ts';

/** Where the rows of a view go. */
export type SinkSpec = TableSink | FileSink | StreamSink;

/** Rows as they fill, in the results table, from where they are queried. */
export interface TableSink {
  readonly kind: 'dynamodb';
  /** How long after its last write a row is kept. */
  readonly ttlMs: number;
}

/** Final rows, each in exactly one file. */
export interface FileSink {
  readonly kind: 's3';
  readonly format: RowFileFormat;
  /** How long a row waits at most for its file. */
  readonly everyMs: number;
  /** How many rows a file has at most. */
  readonly rowsMax: number;
}

/** Final rows, each a record that says where it stands in its slot's order. */
export interface StreamSink {
  readonly kind: 'kinesis';
}

/** Rows in the results table, one a key and window, which DynamoDB removes `ttl` after the last write. */
export function dynamodb(options: { readonly ttl: Duration }): TableSink {
  return { kind: 'dynamodb', ttlMs: givenOptions('dynamodb', options, ['ttl'], '{ ttl: days(7) }').ttl };
}

/**
 * Final rows in files of the pipeline's archive bucket, each row in exactly one: `<view>/date=<day of the window's start>/....parquet`, or
 * NDJSON, compressed with gzip. A file is written when it holds `rowsMax` rows (default 100,000) or 8 MB of JSON, or when its oldest row
 * has waited for `every` (default 5 minutes). Files are never removed.
 *
 * Rows that wait are in the worker's memory, up to 8 MB for each view and slot.
 */
export function s3(options: {
  readonly format: RowFileFormat;
  readonly every?: Duration;
  readonly rowsMax?: number;
}): FileSink {
  const {
    format,
    every = minutes(5),
    rowsMax = 100_000,
  } = givenOptions('s3', options, ['format', 'every', 'rowsMax'], "{ format: 'parquet' }");
  return { kind: 's3', format, everyMs: every, rowsMax };
}

/**
 * Final rows as records of a Kinesis stream of the view's own. Kinesis may keep a record twice, so each says where it stands:
 * `"position": {"slot", "log", "index"}`, of which `log` (as text) and then `index` rise within a slot. A reader that passes over what is not
 * above the last it saw of the slot, and reads a shard before its children, has each once.
 */
export function kinesis(): StreamSink {
  return { kind: 'kinesis' };
}
