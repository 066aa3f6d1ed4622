import type { Row, TotalPartial } from '#shared/schemas/row.ts';

/** The rows that users read. A row is its view's, key's and window's, both bounds: sessions may share one of them; a joined row has an id of its own besides, and a provisional one no end. A write wins only over a row of a strictly lower order (rule 14); losing is no error. Rows that are gone are not given, and keep their order. */
export interface ResultStore {
  /** Gives how many of them lost against a newer row (fenced writes). */
  readonly writeRows: (rows: readonly Row[]) => Promise<{ readonly fenced: number }>;
  readonly writeTotals: (totals: readonly TotalPartial[]) => Promise<{ readonly fenced: number }>;

  /** Rows of one key whose window starts in [fromMs, toMs), ascending by window start, then end, then id. Strongly consistent. */
  readonly rowsOfKey: (request: {
    readonly view: string;
    readonly key: string;
    readonly fromMs: number;
    readonly toMs: number;
    readonly rowsMax: number;
  }) => Promise<readonly Row[]>;
  /** Rows of all keys whose window starts in [fromMs, toMs), ascending by window start, then key, then window end, then id. */
  readonly rowsOfView: (request: {
    readonly view: string;
    readonly fromMs: number;
    readonly toMs: number;
    readonly rowsMax: number;
  }) => Promise<readonly Row[]>;
  /** The start of the newest window of the view that has a row. */
  readonly newestWindow: (view: string) => Promise<number | undefined>;
  /** Every slot's partials of the windows that start there, which may end at different times. Strongly consistent. */
  readonly readTotals: (view: string, windowStartMs: number) => Promise<readonly TotalPartial[]>;
}
