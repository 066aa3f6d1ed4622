import fc from 'fast-check';
import type { Pipeline } from '#shared/pipeline/index.ts';
import {
  arbitraries,
  type BatchOptions,
  type HistoryOptions,
  type Sent,
  type StreamHistory,
} from '#shared/testing/index.ts';

/** A pipeline, and what it is given. */
export interface Suite {
  readonly name: string;
  readonly pipeline: Pipeline;
  readonly histories: fc.Arbitrary<readonly Sent[]>;
  /** How DuckDB says what is the pipeline's own. */
  readonly own?: Pick<BatchOptions, 'aggregates' | 'functions' | 'driver'>;
}

export const key = fc.constantFrom('a', 'b', 'c', 'd');
export const amount = fc.integer({ min: 0, max: 40 });

export function historiesOf(streams: readonly StreamHistory<never>[], options: HistoryOptions): Suite['histories'];
export function historiesOf(streams: readonly object[], options: HistoryOptions): Suite['histories'];
export function historiesOf(streams: readonly object[], options: HistoryOptions): Suite['histories'] {
  // Half of the histories have no late records.
  const kinds = [0, 0.15].map((late) =>
    arbitraries.history(streams as readonly StreamHistory<object>[], { ...options, late }),
  );
  return fc.constantFrom(...kinds).chain((kind) => kind);
}

/** Slots say where a key is kept, and not what becomes of it. */
export function fewSlots(pipeline: Pipeline): Pipeline {
  return { ...pipeline, plan: { ...pipeline.plan, slots: 2, groups: 1 } };
}
