import type { Json } from '#shared/pipeline/aggregator.ts';
import type { AnyOutput } from '#shared/pipeline/pipeline.ts';
import type { SinkSpec } from '#shared/pipeline/sink.ts';
import type { SqlType } from '#shared/sql/expressions/types.ts';
import type { Name } from '#shared/sql/parse/ast.ts';
import type { Relation } from './relation.ts';

/** A query that was understood: it can be read by another one, or be a branch of a pipeline. */
export interface Planned {
  readonly columns: readonly { readonly name: string; readonly type: SqlType }[];
  /** Its rows, or records, for a query around it. The same each time. */
  readonly relation: () => Relation;
  /** The rows of aggregates without groups over no record at all. A stream has none before its first record; a file that has ended does. */
  readonly ofNothing?: () => readonly Readonly<Record<string, Json>>[];
  /** Its rows change for ever, and do not say whether they are final. */
  readonly isNeverFinal?: true;
  /** The branch whose view has this name. */
  readonly output: (name: string, sinks: readonly SinkSpec[]) => AnyOutput;
}

/** What a query may name, and how its steps are named. */
export interface Environment {
  readonly tableNamed: (name: Name) => Relation;
  /** A free name for a step of the query at hand. */
  readonly stepNamed: (what: string) => string;
  /** The same, for the parts of another query. */
  readonly within: (label: string, views?: ReadonlyMap<string, () => Relation>) => Environment;
  /** Rows of windows are shown while they fill, or once. */
  readonly emit: 'on-update' | 'on-close';
}

/** How the columns of a query are to be named and typed, where somebody else says it: the table of INSERT INTO, the list of a view. */
export type Targets = readonly { readonly name: string; readonly type?: SqlType }[];
