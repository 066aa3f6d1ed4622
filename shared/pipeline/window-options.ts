import type { Duration } from './duration.ts';
import type { Placement } from './placement.ts';

interface CommonWindowOptions {
  /** How long a window stays open behind the watermark for records that are even later than `outOfOrderness`. */
  readonly allowedLateness: Duration;
  /** Overrides the automatic placement of the step. */
  readonly placement?: Placement;
}

/** Options of windows that may report before they are complete. */
export interface WindowOptions extends CommonWindowOptions {
  /** `on-update` (default): rows are refreshed as the window fills; `on-close`: one row, when it is final. */
  readonly emit?: 'on-update' | 'on-close';
  /** How often at most a row is rewritten while its window fills. Default 5 s. Each rewrite is a paid write. */
  readonly refresh?: Duration;
}

/** Options of windows whose rows are final, and may be a stream again. */
export interface FinalWindowOptions extends WindowOptions {
  readonly emit: 'on-close';
  /**
   * Shows what a window has so far, as rows that are not final, besides its final row: each time that the watermark has passed a multiple of
   * `every` (`event`), or `every` after they were shown last (`arrival`, which is the default). Only what has changed is shown.
   */
  readonly early?: { readonly every: Duration; readonly time?: 'event' | 'arrival' };
}

/** A session's bounds change until it closes, so its row is written once, when it is final. */
export interface SessionOptions extends CommonWindowOptions {
  readonly emit?: 'on-close';
}
