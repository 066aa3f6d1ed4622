import type { AnyAggregator } from './aggregator.ts';
import { columnOfPath, type Derived, refusePath } from './derive.ts';
import { invalid } from './refuse.ts';
import type { SinkSpec } from './sink.ts';
import { isAligned, type WindowSpec } from './window.ts';

/** Refuses derived columns that would have no value. Without a window a step is over all records. */
export function checkDerived(
  where: string,
  step: {
    readonly aggregates: Readonly<Record<string, AnyAggregator<unknown>>>;
    readonly derived: Readonly<Record<string, Derived<string>>>;
    readonly window?: WindowSpec;
    /** Left out where the total is known when the rows are made. */
    readonly sinks?: readonly SinkSpec[];
  },
): void {
  for (const [column, derived] of Object.entries(step.derived)) {
    if (!Array.isArray(derived?.columns) || derived.columns.some((path) => typeof path !== 'string'))
      throw invalid(
        where,
        `derived column ${column} names no columns; make it of some, such as ratio('errors', 'requests').`,
      );
    const missing = derived.columns.map(columnOfPath).find((input) => !Object.hasOwn(step.aggregates, input));
    if (missing !== undefined)
      throw invalid(where, `derived column ${column} needs ${missing}, which is not aggregated.`);
    for (const path of derived.columns) {
      const why = refusePath(path, step.aggregates);
      if (why !== undefined)
        throw invalid(
          where,
          `derived column ${column} needs a number at ${path}, and ${why}. Name a part that is a number, such as sizes.0 or latency.p99.`,
        );
    }
    checkWindow(where, column, derived, step.window);
    if (derived.kind === 'share-of-total' && step.sinks?.some(({ kind }) => kind === 'dynamodb') === false)
      throw invalid(
        where,
        `derived column ${column} needs the total over all keys, which is known when the table is read, and its rows go to none. Add dynamodb(), or leave the column out.`,
      );
  }
}

function checkWindow(where: string, column: string, { kind }: Derived<string>, window: WindowSpec | undefined): void {
  if (kind === 'share-of-total' && window === undefined)
    throw invalid(where, `derived column ${column}: without a window there is no total over all keys to share.`);
  if (kind === 'share-of-total' && window !== undefined && !isAligned(window)) {
    const windows = window.kind === 'session' ? 'sessions' : `${window.kind} windows`;
    throw invalid(
      where,
      `derived column ${column}: ${windows} of different keys have different bounds, so there is no total to share.`,
    );
  }
  if (kind === 'rate' && (window === undefined || window.kind === 'global'))
    throw invalid(
      where,
      `derived column ${column}: ${window === undefined ? 'all records together have' : 'a global window has'} no length to divide by.`,
    );
}
