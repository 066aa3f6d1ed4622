import type { Json } from './aggregator.ts';
import type { Output } from './stream.ts';

/**
 * What the rows of a view look like to those who read them: other columns than the step keeps, some of its rows only, or several rows of
 * one. It is computed whenever a row is read, printed or written to a file, as derived columns are, and is no part of the state.
 */
export interface Projection extends ProjectionPlan {
  /** Pure. The rows that are shown of one that the step keeps. */
  readonly project: (row: ProjectionInput) => readonly ProjectedRow[];
}

/** The part of a projection that is data. */
export interface ProjectionPlan {
  /** The columns that rows are shown with, in their order. */
  readonly columns: readonly string[];
  /** Aggregated columns of which the total over all keys of the window is needed too. */
  readonly totals: readonly string[];
  /** Names what is computed: when it changes, so does the plan's hash. */
  readonly config: Json;
}

/** A row as its step keeps it. */
export interface ProjectionInput {
  /** Key columns and the step's own, by name. */
  readonly columns: Readonly<Record<string, unknown>>;
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  /** Undefined where the totals of the window are not known, such as in a file. */
  readonly totals: Readonly<Record<string, number | null>> | undefined;
}

export interface ProjectedRow {
  /** Without it the row is shown without one. */
  readonly window?: { readonly startMs: number; readonly endMs: number };
  readonly columns: Readonly<Record<string, unknown>>;
}

/** The same branch of a pipeline, whose rows are shown in another way. */
export function projected<Name extends string, K, Row>(
  output: Output<Name, K, Row>,
  projection: Projection,
): Output<Name, K, Row> {
  return { ...output, step: { ...output.step, projection } };
}

export function projectionPlan({ columns, totals, config }: Projection): ProjectionPlan {
  return { columns, totals, config };
}
