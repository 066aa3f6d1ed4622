import type { LookupTableSpec } from '#shared/schemas/lookup.ts';
import type { Json } from './aggregator.ts';
import type { Derived } from './derive.ts';
import { type JoinInterval, type JoinKind, joinTimeColumns } from './join.ts';
import type { Placement } from './placement.ts';
import { type ProcessKind, processTimeColumn, type RowColumns, tableTimeColumn } from './process.ts';
import type { ProjectionPlan } from './projection.ts';
import type { FileSink, SinkSpec, StreamSink, TableSink } from './sink.ts';
import type { CalendarWindow, CumulativeWindow, EarlyRows, TumblingWindow, WindowSpec } from './window.ts';

/**
 * A pipeline as data: a graph of nodes, in an order in which inputs come first. It is JSON, it is immutable, and it holds
 * everything that decides about state and placement. The callbacks stay beside it, by node id, and never travel.
 */
export interface Plan {
  readonly version: 1;
  readonly id: string;
  /** Into how many slots the keys are cut. Part of the state's identity. */
  readonly slots: number;
  /** Into how many key groups a slot is cut for state items. Part of the state's identity. */
  readonly groups: number;
  readonly nodes: readonly PlanNode[];
}

export type PlanNode = SourcePlan | TransformPlan | EnrichPlan | UnionPlan | RoutePlan | StepPlan;

export interface SourcePlan {
  readonly op: 'source';
  /** The stream's name. */
  readonly id: string;
  readonly formats: readonly { readonly format: string; readonly config: { readonly [name: string]: Json } }[];
  readonly outOfOrdernessMs: number;
  readonly idleAfterMs?: number;
  /** What its watermark does while all of it is silent for longer than that; without it, nothing. */
  readonly whenSilent?: 'advance';
}

export interface TransformPlan {
  readonly op: 'filter' | 'map' | 'flatMap';
  readonly id: string;
  /** A stream, another transform, or a step whose rows are a stream again. */
  readonly input: string;
}

/** Each record with the item of a table that has its key. */
export interface EnrichPlan {
  readonly op: 'enrich';
  readonly id: string;
  /** As that of a transform, and never of a step. */
  readonly input: string;
  readonly table: LookupTableSpec;
  readonly freshnessMs: number;
  readonly itemsMax: number;
}

/** Several streams as one. */
export interface UnionPlan {
  readonly op: 'union';
  readonly id: string;
  /** As those of a transform. One that is named twice gives each record twice. */
  readonly inputs: readonly string[];
}

/** Where the records of a step's input come from. */
export interface InputPlan {
  /** The stream, or the step whose rows are a stream again; of several the first. */
  readonly source: string;
  /** All of them, where there are several. */
  readonly sources?: readonly string[];
  readonly input: string;
}

/** A `keyBy` that a step needs: here records cross the exchange. */
export interface RoutePlan extends InputPlan {
  readonly op: 'key';
  readonly id: string;
}

/** A step behind the exchange: one view or, without a sink, a step that only feeds others. */
export type StepPlan = (AggregatePlan | JoinPlan | ProcessPlan | TopPlan | SelectPlan | RunningPlan) & Shown;

/** How the rows of a step are shown, when it is not as they are kept. */
export interface Shown {
  readonly projection?: ProjectionPlan;
}

/** Columns of each key over all of its records: rows that are never final. */
export interface RunningPlan extends InputPlan {
  readonly op: 'running';
  /** The step's name, which is the view's. */
  readonly id: string;
  readonly refreshMs: number;
  readonly aggregates: AggregatePlan['aggregates'];
  readonly derived?: AggregatePlan['derived'];
  readonly allowedLatenessMs: 0;
  readonly sinks: readonly SinkSpec[];
  readonly placement: Placement;
  readonly reason: string;
}

/** A row of each record, without state. */
export interface SelectPlan extends InputPlan {
  readonly op: 'select';
  /** The step's name, which is the view's. */
  readonly id: string;
  readonly columns: readonly string[];
  /** Its rows have a key; those of others are spread over the slots by a number that nobody is shown. */
  readonly isKeyed: boolean;
  /** Its rows are shown with the window that their time is in. */
  readonly window?: TumblingWindow;
  /** Only of the records that this step finds late. */
  readonly lateOf?: string;
  readonly allowedLatenessMs: 0;
  readonly sinks: readonly SinkSpec[];
  readonly placement: Placement;
  readonly reason: string;
}

export interface AggregatePlan extends InputPlan {
  readonly op: 'aggregate';
  /** The step's name, which is the view's. */
  readonly id: string;
  readonly window: WindowSpec;
  readonly allowedLatenessMs: number;
  readonly emit: 'on-update' | 'on-close';
  readonly refreshMs: number;
  /** Of windows that emit on-close. */
  readonly early?: EarlyRows;
  readonly aggregates: {
    readonly [column: string]: { readonly kind: string; readonly config: { readonly [name: string]: Json } };
  };
  readonly derived: { readonly [column: string]: Derived<string> };
  /** Columns that are totalled over all keys for steps that rank the rows by their shares, or show these. */
  readonly totals?: readonly string[];
  readonly sinks: readonly SinkSpec[];
  readonly placement: Placement;
  readonly reason: string;
}

export interface JoinPlan extends JoinInterval {
  readonly op: 'join';
  /** The step's name, which is the view's. */
  readonly id: string;
  readonly kind: JoinKind;
  readonly left: JoinSidePlan;
  readonly right: JoinSidePlan;
  readonly allowedLatenessMs: number;
  readonly sinks: readonly SinkSpec[];
  readonly placement: Placement;
  readonly reason: string;
}

/** A keyed process function, or what is built of one: the removal of duplicates, the join with a table. */
export interface ProcessPlan {
  readonly op: 'process';
  /** The step's name, which is the view's. */
  readonly id: string;
  readonly does: ProcessKind;
  /** Of records of one key and time, those of the first are taken first. */
  readonly inputs: readonly JoinSidePlan[];
  /** The columns of the rows that are emitted. */
  readonly row: RowColumns;
  /** After so long without a record a key's state is dropped; without it, never. */
  readonly ttlMs?: number;
  readonly allowedLatenessMs: number;
  readonly sinks: readonly SinkSpec[];
  readonly placement: Placement;
  readonly reason: string;
}

/** The greatest rows of each window of another step, over all keys. */
export interface TopPlan {
  readonly op: 'top';
  /** The step's name, which is the view's. */
  readonly id: string;
  /** The step whose rows are ranked. */
  readonly source: string;
  readonly input: string;
  readonly count: number;
  /** The path of a number in the rows, or one of `derived`. */
  readonly by: string;
  /** Columns that are computed of the rows, and of what the windows have in all, once that is known: the ranked rows keep them. */
  readonly derived?: AggregatePlan['derived'];
  /** Rows with the same value share a rank and keep their keys, and the rank is in this column or in none; without it each has a rank of its own, which is its key. */
  readonly ties?: { readonly as: string | null };
  /** The size of the windows whose rows are ranked, or the windows themselves where they are of several sizes. */
  readonly windowMs?: number;
  readonly window?: CumulativeWindow | CalendarWindow;
  /** The columns of the rows that are ranked, without their keys'. */
  readonly aggregates: AggregatePlan['aggregates'];
  readonly allowedLatenessMs: 0;
  readonly sinks: readonly SinkSpec[];
  readonly placement: Placement;
  readonly reason: string;
}

export interface JoinSidePlan extends InputPlan {
  /** Names of the columns that are selected from this side's records. */
  readonly columns: readonly string[];
}

export function sourcesOf(plan: Plan): readonly SourcePlan[] {
  return plan.nodes.filter((node) => node.op === 'source');
}

export function routesOf(plan: Plan): readonly RoutePlan[] {
  return plan.nodes.filter((node) => node.op === 'key');
}

export function stepsOf(plan: Plan, placement?: Placement): readonly StepPlan[] {
  const steps = plan.nodes.filter(isStep);
  return placement === undefined ? steps : steps.filter((step) => step.placement === placement);
}

export function isStep(node: PlanNode): node is StepPlan {
  return 'sinks' in node;
}

/** The steps whose rows are a stream again, which other steps read. */
export function feedingStepsOf(plan: Plan): readonly StepPlan[] {
  return stepsOf(plan).filter((step) => routesOf(plan).some((route) => sourcesOfInput(route).includes(step.id)));
}

/** The routes that feed a step, with their sources: one, or both sides of a join. */
export function inputsOf(step: StepPlan): readonly InputPlan[] {
  switch (step.op) {
    case 'aggregate':
    case 'top':
    case 'select':
    case 'running':
      return [step];
    case 'join':
      return [step.left, step.right];
    case 'process':
      return step.inputs;
  }
}

/** The streams, and the steps whose rows are streams again, that an input's records come from. */
export function sourcesOfInput({ source, sources }: InputPlan): readonly string[] {
  return sources ?? [source];
}

/** The nodes that a stream's node reads: one, several of a union, none of a source. */
export function inputIdsOf(node: PlanNode): readonly string[] {
  if (node.op === 'source') return [];
  if (node.op === 'union') return node.inputs;
  return isStep(node) ? inputsOf(node).map(({ input }) => input) : [node.input];
}

/** Where the rows of a step go, by kind: at most one of each. */
export function sinksOf({ sinks }: { readonly sinks: readonly SinkSpec[] }): {
  readonly table: TableSink | undefined;
  readonly files: FileSink | undefined;
  readonly stream: StreamSink | undefined;
} {
  return {
    table: sinks.find((sink) => sink.kind === 'dynamodb'),
    files: sinks.find((sink) => sink.kind === 's3'),
    stream: sinks.find((sink) => sink.kind === 'kinesis'),
  };
}

/** The names of the views that can be queried: those whose rows go into the results table. */
export function viewsOf(plan: Plan): readonly string[] {
  return stepsOf(plan).flatMap((step) => (sinksOf(step).table === undefined ? [] : [step.id]));
}

/** The columns of a row without a window that are times. */
export function timeColumnsOf(step: StepPlan): readonly string[] {
  switch (step.op) {
    case 'aggregate':
    case 'top':
    case 'select':
    case 'running':
      return [];
    case 'join':
      return joinTimeColumns;
    case 'process':
      return step.does.kind === 'table-join' ? [processTimeColumn, tableTimeColumn] : [processTimeColumn];
  }
}

/** The names of a row's columns beside its key: those that are kept, and those that are derived when it is read. */
export function columnsOf(step: StepPlan): { readonly kept: readonly string[]; readonly derived: readonly string[] } {
  switch (step.op) {
    case 'aggregate':
    case 'running':
      return { kept: Object.keys(step.aggregates), derived: Object.keys(derivedOf(step)) };
    case 'join':
      return { kept: [...joinTimeColumns, ...step.left.columns, ...step.right.columns], derived: [] };
    case 'process':
      return { kept: [processTimeColumn, ...Object.keys(step.row)], derived: [] };
    case 'top': {
      const ranks = typeof step.ties?.as === 'string' ? [step.ties.as] : [];
      return { kept: [...ranks, ...Object.keys(step.aggregates), ...Object.keys(step.derived ?? {})], derived: [] };
    }
    case 'select':
      return { kept: step.columns, derived: [] };
  }
}

/** The columns that are computed when a row of the step is read. */
export function derivedOf(step: StepPlan): AggregatePlan['derived'] {
  // Ranked rows keep theirs.
  return (step.op !== 'top' && 'derived' in step ? step.derived : undefined) ?? {};
}
