import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import { totalledColumns } from '#shared/pipeline/derive.ts';
import { refuseJoined, refuseJson, type Selectors } from '#shared/pipeline/join.ts';
import type { Binding } from '#shared/pipeline/pipeline.ts';
import type { Placement } from '#shared/pipeline/placement.ts';
import {
  type AggregatePlan,
  columnsOf,
  type JoinPlan,
  type JoinSidePlan,
  type ProcessPlan,
  type RunningPlan,
  type SelectPlan,
  type Shown,
  sinksOf,
  sourcesOfInput,
  type TopPlan,
} from '#shared/pipeline/plan.ts';
import { rankedBy } from '#shared/pipeline/ranking.ts';
import { rankColumn } from '#shared/pipeline/rows.ts';
import { changeColumn } from '#shared/pipeline/running.ts';
import type { RouteReader } from '#shared/schemas/block.ts';
import { reservedColumns } from '#shared/schemas/row.ts';
import { filePartition } from '#shared/schemas/row-file.ts';
import type { Stage } from '#shared/schemas/state.ts';
import type {
  CompiledAggregate,
  CompiledJoin,
  CompiledProcess,
  CompiledRoute,
  CompiledRunning,
  CompiledSelect,
  CompiledStep,
  CompiledTop,
  JoinSide,
  RouteColumn,
} from './compile.ts';

// What each kind of step selects from the records of its routes, and where its values lie among a route's columns.

function stageOf(placement: Placement): Stage {
  return placement === 'lambda' ? 'aggregate' : 'window';
}

/** A route while its steps are added. */
export interface RouteDraft extends CompiledRoute {
  readonly taken: Set<string>;
  readonly columns: RouteColumn[];
  readonly steps: CompiledStep[];
  readonly stages: Stage[];
  readonly readers: RouteReader[];
  top?: TopPlan;
  /** Where each aggregator's value is: one that several steps use selects once for all of them. */
  readonly inputs: Map<AnyAggregator<unknown>, number>;
}

export function draftRoute(
  id: string,
  index: number,
  sources: readonly string[],
  key: Pick<CompiledRoute, 'call' | 'takesTime'>,
): RouteDraft {
  const taken = new Set(reservedColumns.map((column) => column.toLowerCase()));
  return { id, index, sources, ...key, taken, columns: [], steps: [], stages: [], readers: [], inputs: new Map() };
}

export function compileAggregate(
  plan: AggregatePlan & Shown,
  contract: string,
  aggregates: Readonly<Record<string, AnyAggregator<unknown>>>,
  route: RouteDraft,
): CompiledAggregate {
  const { columns, aggregators, inputs } = addAggregates(route, plan.id, aggregates);
  const totals = totalledColumns(columns, plan);
  const stage = stageOf(plan.placement);
  const sinks = sinksOf(plan);
  return {
    op: 'aggregate',
    plan,
    contract,
    stage,
    columns,
    sinks,
    sources: sourcesOfInput(plan),
    aggregators,
    inputs,
    totals,
  };
}

/** Adds what a step aggregates to the route. */
function addAggregates(
  route: RouteDraft,
  step: string,
  aggregates: Readonly<Record<string, AnyAggregator<unknown>>>,
): Pick<CompiledRunning, 'columns' | 'aggregators' | 'inputs'> {
  const columns = Object.keys(aggregates);
  const aggregators = Object.values(aggregates);
  const inputs = aggregators.map((aggregator, index) => {
    const { select, refuse } = aggregator;
    const input =
      route.inputs.get(aggregator) ?? addColumn(route, { select, refuse, label: `${step}.${columns[index]}` });
    route.inputs.set(aggregator, input);
    return input;
  });
  return { columns, aggregators, inputs };
}

export function compileRunning(
  plan: RunningPlan,
  contract: string,
  aggregates: Readonly<Record<string, AnyAggregator<unknown>>>,
  route: RouteDraft,
  feeds: boolean,
): CompiledRunning {
  if (feeds) route.taken.add(changeColumn);
  const common = { contract, stage: stageOf(plan.placement), sinks: sinksOf(plan), sources: sourcesOfInput(plan) };
  return { op: 'running', plan, ...common, ...addAggregates(route, plan.id, aggregates), feeds };
}

export function compileJoin(
  plan: JoinPlan,
  contract: string,
  { left, right }: Extract<Binding, { op: 'join' }>,
  routeOf: (id: string) => RouteDraft,
): CompiledJoin {
  const columnCount = plan.left.columns.length + plan.right.columns.length;
  const compileSide = (side: JoinSidePlan, selectors: Selectors<unknown>): JoinSide =>
    addSide(routeOf(side.input), side, selectors, { step: plan.id, columnCount });
  return {
    op: 'join',
    plan,
    contract,
    stage: stageOf(plan.placement),
    columns: columnsOf(plan).kept,
    sinks: sinksOf(plan),
    sources: [...new Set([plan.left, plan.right].flatMap(sourcesOfInput))],
    left: compileSide(plan.left, left),
    right: compileSide(plan.right, right),
  };
}

export function compileProcess(
  plan: ProcessPlan,
  contract: string,
  { selectors, callbacks }: Extract<Binding, { op: 'process' }>,
  routeOf: (id: string) => RouteDraft,
): CompiledProcess {
  const columnCount = plan.inputs.reduce((sum, { columns }) => sum + columns.length, 0);
  return {
    op: 'process',
    contract,
    plan,
    stage: stageOf(plan.placement),
    columns: columnsOf(plan).kept,
    sinks: sinksOf(plan),
    sources: [...new Set(plan.inputs.flatMap(sourcesOfInput))],
    inputs: plan.inputs.map((side, at) => ({
      sources: sourcesOfInput(side),
      ...addSide(routeOf(side.input), side, selectors[at] as Selectors<unknown>, { step: plan.id, columnCount }),
    })),
    callbacks,
  };
}

/** Adds what a step selects from one of its inputs to the route. `columnCount` columns share the room of a row. */
function addSide(
  route: RouteDraft,
  { input, columns }: JoinSidePlan,
  selectors: Selectors<unknown>,
  { step, columnCount }: { readonly step: string; readonly columnCount: number },
): JoinSide {
  return {
    route: input,
    columns,
    inputs: Object.entries(selectors).map(([column, select]) =>
      addColumn(route, { select, refuse: (value) => refuseJoined(value, columnCount), label: `${step}.${column}` }),
    ),
  };
}

/** `aggregates` are those of the step whose rows are ranked, and `ranked` the routes to it. */
export function compileTop(
  plan: TopPlan,
  contract: string,
  aggregates: Readonly<Record<string, AnyAggregator<unknown>>>,
  { route, ranked }: { readonly route: RouteDraft; readonly ranked: readonly RouteDraft[] },
): CompiledTop {
  const sinks = sinksOf(plan);
  const { derived = {} } = plan;
  const rank = plan.ties === undefined ? rankColumn : plan.ties.as;
  for (const { taken } of ranked) {
    for (const added of [rank ?? [], ...Object.keys(derived)].flat()) taken.add(added.toLowerCase());
    if (sinks.files !== undefined) taken.add(filePartition);
  }
  route.top = plan;
  const input = addColumn(route, {
    select: (row) => {
      const { windowStart: _start, windowEnd: _end, ...columns } = row as Readonly<Record<string, unknown>>;
      return columns;
    },
    refuse: (row) => refuseRanked(plan, row as Readonly<Record<string, unknown>>),
    label: plan.id,
  });
  const columns = columnsOf(plan).kept;
  const kept = Object.keys(plan.aggregates);
  const totals = totalledColumns(kept, { derived });
  const shared =
    totals.length === 0 ? {} : { shared: { columns: kept, aggregators: Object.values(aggregates), totals } };
  const common = { contract, stage: stageOf(plan.placement), sinks, sources: [plan.source] };
  return { op: 'top', plan, ...common, columns, kept, input, ...shared };
}

/** A row that has no rank is taken, and forgotten. */
function refuseRanked(plan: TopPlan, row: Readonly<Record<string, unknown>>): string | undefined {
  const value = rankedBy(plan, row);
  if (value === undefined) return undefined;
  if (!Number.isFinite(value)) return `ranks by column ${plan.by}, which is ${value} and no number`;
  const refused = Object.entries(row).find(([, value]) => refuseJson(value) !== undefined);
  return refused && `column ${refused[0]} ${refuseJson(refused[1])}`;
}

/** The row crosses as one value: which of its columns it has is a part of it. */
export function compileSelect(
  plan: SelectPlan,
  contract: string,
  select: (record: unknown) => Readonly<Record<string, unknown>>,
  route: RouteDraft,
): CompiledSelect {
  const { columns } = plan;
  const refuse = (row: unknown): string | undefined => {
    for (const column in row as Readonly<Record<string, unknown>>) {
      const refusal = refuseJoined((row as Readonly<Record<string, unknown>>)[column], columns.length);
      if (refusal !== undefined) return `column ${column} ${refusal}`;
    }
    return undefined;
  };
  const input = addColumn(route, { select, refuse, label: plan.id });
  const common = { contract, stage: stageOf(plan.placement), sinks: sinksOf(plan), sources: sourcesOfInput(plan) };
  return { op: 'select', plan, ...common, columns, input };
}

/** Gives the column's place among those of the route. */
function addColumn(route: RouteDraft, column: RouteColumn): number {
  return route.columns.push(column) - 1;
}
