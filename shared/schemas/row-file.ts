import type { LogPosition } from './position.ts';

/** A row on its way into a file: as JSON, without its line's end. */
export interface FileLine {
  /** The day, in UTC, in which its window starts: `2026-11-21`. It names the partition of the files that hold it. */
  readonly day: string;
  readonly json: string;
}

/** Final rows of one view, one slot and one day, that become one object. A pure function of the slot's log, name and all. */
export interface RowFile {
  readonly view: string;
  readonly day: string;
  readonly slot: number;
  /** The last block of the slot's log that had been applied when the file was closed, and which of its files this is. */
  readonly position: LogPosition;
  readonly part: number;
  readonly format: RowFileFormat;
  /** The rows as JSON. */
  readonly lines: readonly string[];
}

export const rowFileFormats = ['ndjson', 'parquet'] as const;
export type RowFileFormat = (typeof rowFileFormats)[number];

/** The name of the partition, which a reader takes for a column: none of the rows' own may have it. */
export const filePartition = 'date';

const endings: Readonly<Record<RowFileFormat, string>> = { ndjson: 'ndjson.gz', parquet: 'parquet' };

/**
 * Where a file is stored. Every attempt gives a file the same name and the same rows, so one that is written twice is written over. The
 * day is a partition in the style of Hive, which Athena, DuckDB and Spark read as a column.
 */
export function nameOfRowFile(file: RowFile): string {
  const slot = String(file.slot).padStart(4, '0');
  const part = String(file.part).padStart(4, '0');
  return `${file.view}/${filePartition}=${file.day}/${slot}-${file.position}-${part}.${endings[file.format]}`;
}

/** The final rows that one block gave to one view in one slot, as JSON, on their way into the view's stream. */
export interface RowBatch {
  readonly view: string;
  readonly position: LogPosition;
  readonly lines: readonly string[];
}
