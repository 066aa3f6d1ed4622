import { perEntry } from '#shared/engine/operators/operator.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import type { FileSink } from '#shared/pipeline/sink.ts';
import type { LogPosition } from '#shared/schemas/position.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { FileLine, RowFile } from '#shared/schemas/row-file.ts';

/** How often a buffer was emptied, and how many rows it has since. */
export interface FileMark {
  readonly emptied: number;
  readonly count: number;
}

/** Where a slot stands when it gives rows to its files. */
export interface FileContext {
  readonly slot: number;
  readonly position: LogPosition;
  readonly clockMs: number;
}

/**
 * The final rows of one view in one slot, on their way into files. A file is closed when it is full, when its oldest row has waited for `everyMs`
 * on the slot's clock, or when nothing more will come: never by anything outside of the slot's log. What waits is part of the slot's snapshot. So
 * every attempt closes the same files with the same rows, and a row is in exactly one of them.
 */
export class FileBuffer {
  readonly #view: string;
  readonly #sink: FileSink;
  #lines: FileLine[] = [];
  #chars = 0;
  /** The slot's clock when the oldest line came. */
  #sinceMs = 0;
  /** How often the buffer was emptied. */
  #emptied = 0;
  /** Where the last file was closed, and how many were there. */
  #closedAt = '' as LogPosition;
  #closedCount = 0;
  /** What the last save held; undefined before the first. */
  #saved: FileMark | undefined;

  constructor(view: string, sink: FileSink) {
    this.#view = view;
    this.#sink = sink;
  }

  /** How many rows wait. */
  get rowCount(): number {
    return this.#lines.length;
  }

  /** Takes one row; gives the files that are full with it. */
  add(line: FileLine, context: FileContext): readonly RowFile[] {
    if (this.#lines.length === 0) this.#sinceMs = context.clockMs;
    this.#lines.push(line);
    this.#chars += line.json.length;
    const isFull = this.#lines.length >= this.#sink.rowsMax || this.#chars >= charsMax;
    return isFull ? this.#close(context) : none;
  }

  /** A block was applied: gives the files whose time has come, or all when the step's sources are over. */
  advance(context: FileContext, watermarkMs: number): readonly RowFile[] {
    const isDue = context.clockMs - this.#sinceMs >= this.#sink.everyMs || watermarkMs >= endOfStreamMs;
    return isDue && this.#lines.length > 0 ? this.#close(context) : none;
  }

  *save(): Iterable<Json> {
    yield* this.#saveFrom(0);
  }

  *saveChanges(): Iterable<Json> {
    const saved = this.#saved;
    if (saved === undefined || saved.emptied !== this.#emptied) yield* this.#saveFrom(0);
    else if (saved.count < this.#lines.length) yield* this.#saveFrom(saved.count);
  }

  /** Where it stands, for `markSaved`. */
  get mark(): FileMark {
    return { emptied: this.#emptied, count: this.#lines.length };
  }

  /** The last save has what there was at `mark`. */
  markSaved(mark: FileMark = this.mark): void {
    this.#saved = mark;
  }

  restore(entry: Json): void {
    const { emptied, from, sinceMs, lines } = entry as unknown as SavedLines;
    this.#emptied = emptied;
    this.#sinceMs = sinceMs;
    for (const { json } of this.#lines.splice(from)) this.#chars -= json.length;
    for (const [day, json] of lines) {
      this.#lines.push({ day, json });
      this.#chars += json.length;
    }
  }

  *#saveFrom(first: number): Iterable<Json> {
    const common = { emptied: this.#emptied, sinceMs: this.#sinceMs };
    if (first === this.#lines.length) yield { ...common, from: first, lines: [] };
    let from = first;
    for (const some of perEntry(this.#lines.slice(first))) {
      yield { ...common, from, lines: some.map(({ day, json }) => [day, json]) };
      from += some.length;
    }
  }

  /** A file for each day, since a day is a partition. */
  #close({ slot, position }: FileContext): readonly RowFile[] {
    if (position !== this.#closedAt) this.#closedCount = 0;
    this.#closedAt = position;
    const part = this.#closedCount;
    this.#closedCount += 1;
    const days = new Map<string, string[]>();
    for (const { day, json } of this.#lines) {
      const lines = days.get(day);
      if (lines === undefined) days.set(day, [json]);
      else lines.push(json);
    }
    this.#lines = [];
    this.#chars = 0;
    this.#emptied += 1;
    const { format } = this.#sink;
    return [...days].map(([day, lines]) => ({
      view: this.#view,
      day,
      slot,
      position,
      part,
      format,
      lines,
    }));
  }
}

/** Rows that wait in memory, in characters of JSON: 16 slots in one process and one view make some 128 MB at most, twice that in other scripts than Latin. */
const charsMax = 8_000_000;

const none: readonly RowFile[] = [];

/** Lines from number `from` on. A `type`, since an interface is no JSON. */
type SavedLines = {
  readonly emptied: number;
  readonly sinceMs: number;
  readonly from: number;
  readonly lines: readonly (readonly [day: string, json: string])[];
};
