import type { KeyColumns } from './key.ts';
import type { LogPosition } from './position.ts';

/** A row of a view: one key in one window, a pair of records that were joined, or what a process function emitted. */
export interface Row {
  readonly view: string;
  /** Canonical key. */
  readonly key: string;
  /** Without a window: the earlier and the later event time of the records that were joined, or twice the time of what was emitted. */
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  /** A row without a window has one. It tells those of one key and the same times apart, and is the same in every attempt. At most 600 characters. */
  readonly id?: string;
  readonly final: boolean;
  /**
   * `shown`: the end of the window is not known yet. Such a row is that of its key and the start of its window, whatever its end is so far, and
   * is taken back, `gone`, when the window closes or begins at another time.
   */
  readonly provisional?: 'shown' | 'gone';
  /** The position of the state that the row was made from. */
  readonly position: LogPosition;
  /** The aggregated or selected columns. */
  readonly columns: Readonly<Record<string, unknown>>;
  /** When it may be removed, on the slot's clock. */
  readonly expiresMs: number;
}

/** One slot's share of a window's total over all keys. */
export interface TotalPartial {
  readonly view: string;
  readonly slot: number;
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  readonly final: boolean;
  readonly position: LogPosition;
  /** Encoded accumulators by column. */
  readonly columns: Readonly<Record<string, unknown>>;
  readonly expiresMs: number;
}

/**
 * What orders two writes of one row: a final one is above all others, then the state's position decides, and only the strictly
 * greater wins (rule 14). Written so that a store compares it as text.
 */
export function rowOrder(row: { readonly final: boolean; readonly position: LogPosition }): string {
  return `${row.final ? 1 : 0}${row.position}`;
}

/** The names that every row has, printed or stored, beside its key columns and those of its step. */
export const reservedColumns = [
  'view',
  'windowStart',
  'windowEnd',
  'final',
  'pk',
  'sk',
  'position',
  'ttl',
  'window',
] as const;

/**
 * For `find`: an earlier name is the same but for the case, which no two columns of a row may be. Like most that speak SQL, DuckDB does not
 * see the case: of a file's own `Date` and the partition `date` it shows one, and says nothing.
 */
export function isNamedBefore(name: string, index: number, names: readonly string[]): boolean {
  return names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) < index;
}

export type ReservedColumn = (typeof reservedColumns)[number];

/** A row as it is printed and served, with its derived columns. A row with an `id` has no window. */
export type PrintedRow = {
  readonly view: string;
  readonly windowStart?: string;
  readonly windowEnd?: string;
  readonly final: boolean;
} & KeyColumns &
  Readonly<Record<string, unknown>>;
