import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import type { ColumnTypes } from '#shared/pipeline/column-types.ts';
import { stateTokenOf } from '#shared/pipeline/contract.ts';
import type { Decoder } from '#shared/pipeline/decoder.ts';
import type { Binding, Pipeline } from '#shared/pipeline/pipeline.ts';
import {
  type AggregatePlan,
  columnsOf,
  feedingStepsOf,
  inputIdsOf,
  inputsOf,
  isStep,
  type JoinPlan,
  type Plan,
  type ProcessPlan,
  type RunningPlan,
  routesOf,
  type SelectPlan,
  type SourcePlan,
  type StepPlan,
  type sinksOf,
  sourcesOfInput,
  stepsOf,
  type TopPlan,
} from '#shared/pipeline/plan.ts';
import type { ProcessCallbacks } from '#shared/pipeline/process.ts';
import type { Projection } from '#shared/pipeline/projection.ts';
import type { KeyShape } from '#shared/pipeline/stream.ts';
import type { RouteReader } from '#shared/schemas/block.ts';
import { assert } from '#shared/schemas/error.ts';
import { filePartition } from '#shared/schemas/row-file.ts';
import type { Stage } from '#shared/schemas/state.ts';
import {
  compileAggregate,
  compileJoin,
  compileProcess,
  compileRunning,
  compileSelect,
  compileTop,
  draftRoute,
  type RouteDraft,
} from './compile-steps.ts';
import { oncePer } from './once-per.ts';

/** A pipeline made ready to run: the plan's nodes joined with their callbacks, once, before the first record. */
export interface CompiledPipeline {
  readonly id: string;
  readonly planHash: string;
  readonly slots: number;
  readonly groups: number;
  readonly sources: ReadonlyMap<string, CompiledSource>;
  /** The steps whose rows are a stream again, by their ids. */
  readonly rowSources: ReadonlyMap<string, CompiledRowSource>;
  readonly routes: ReadonlyMap<string, CompiledRoute>;
  readonly steps: readonly CompiledStep[];
  /** Names of the losses of state that were allowed. */
  readonly dropped: ReadonlySet<string>;
}

/** Where records come from, and what becomes of them on their way to the exchange. */
export interface CompiledOrigin {
  readonly root: TransformNode;
  readonly routes: readonly CompiledRoute[];
}

export interface CompiledSource extends CompiledOrigin {
  readonly plan: SourcePlan;
  readonly schema: StandardSchemaV1;
  readonly timestamp: (record: unknown) => Date | number;
  readonly decoders: readonly Decoder[];
}

/** A step whose rows are a stream again. */
export interface CompiledRowSource extends CompiledOrigin {
  readonly step: CompiledStep;
}

/**
 * A node of the tree that hangs below a source or a step: what is shared by several branches is computed once. What stands behind a union hangs
 * below each of its streams.
 */
export interface TransformNode {
  readonly binding: Binding;
  readonly id: string;
  readonly next: TransformNode[];
  readonly route?: CompiledRoute;
}

/** A `keyBy` with the steps behind it and the columns that they select. */
export interface CompiledRoute {
  readonly id: string;
  /** Its place among the routes of the pipeline. */
  readonly index: number;
  /** The streams, and the steps whose rows are streams again, that its records come from. */
  readonly sources: readonly string[];
  readonly call: (record: unknown, timeMs: number) => KeyShape;
  /** Only then `call` is given the event time. */
  readonly takesTime?: true;
  /** Names that the rows behind this route have, so that no key column may have one. */
  readonly taken: ReadonlySet<string>;
  readonly columns: readonly RouteColumn[];
  readonly steps: readonly CompiledStep[];
  /** The stages that have a step behind this route; the first is the home of the records' counts. */
  readonly stages: readonly Stage[];
  /** For whom the columns are, as blocks say it. */
  readonly readers: readonly RouteReader[];
  /** The top step behind this route: of each window no more rows need to cross than it ranks. */
  readonly top?: TopPlan;
}

export interface RouteColumn {
  readonly select: (record: unknown, timeMs: number) => unknown;
  readonly refuse: ((value: unknown) => string | undefined) | undefined;
  /** `step.column`, for messages. */
  readonly label: string;
}

export type CompiledStep =
  | CompiledAggregate
  | CompiledJoin
  | CompiledProcess
  | CompiledTop
  | CompiledSelect
  | CompiledRunning;

interface CommonStep {
  /** The token of its contract: what its state means. */
  readonly contract: string;
  readonly stage: Stage;
  /** How its rows are shown, when it is not as they are kept. */
  readonly projection?: Projection;
  /** What the columns of its rows hold, as far as it is known. */
  readonly columnTypes?: () => ColumnTypes;
  /** The columns that a row keeps. */
  readonly columns: readonly string[];
  /** Where its rows go. */
  readonly sinks: ReturnType<typeof sinksOf>;
  /** Its watermark is the least of theirs, without those that have fallen silent. */
  readonly sources: readonly string[];
}

export interface CompiledAggregate extends CommonStep {
  readonly op: 'aggregate';
  readonly plan: AggregatePlan;
  readonly aggregators: readonly AnyAggregator<unknown>[];
  /** For each aggregator the index of its value among the route's columns. */
  readonly inputs: readonly number[];
  /** Which aggregators need a total over all keys. */
  readonly totals: readonly number[];
  /** The one step that reads its rows, if nobody else sees them: what cannot rank there need not be made. */
  readonly ranking?: TopPlan | undefined;
}

export interface CompiledJoin extends CommonStep {
  readonly op: 'join';
  readonly plan: JoinPlan;
  readonly left: JoinSide;
  readonly right: JoinSide;
}

export interface CompiledProcess extends CommonStep {
  readonly op: 'process';
  readonly plan: ProcessPlan;
  readonly inputs: readonly ProcessInput[];
  readonly callbacks: ProcessCallbacks;
}

export interface ProcessInput extends JoinSide {
  readonly sources: readonly string[];
}

export interface CompiledTop extends CommonStep {
  readonly op: 'top';
  readonly plan: TopPlan;
  /** The ranked step's own: what else a ranked row has is its key's. */
  readonly kept: readonly string[];
  /** The index of the ranked row among the route's columns. */
  readonly input: number;
  /** What of the ranked step's windows is totalled over all keys, if the rows have shares of it. */
  readonly shared?: Pick<CompiledAggregate, 'columns' | 'aggregators' | 'totals'>;
}

export interface CompiledRunning extends CommonStep {
  readonly op: 'running';
  readonly plan: RunningPlan;
  readonly aggregators: readonly AnyAggregator<unknown>[];
  /** For each aggregator the index of its value among the route's columns. */
  readonly inputs: readonly number[];
  /** Others read what its rows were and are. */
  readonly feeds: boolean;
}

export interface CompiledSelect extends CommonStep {
  readonly op: 'select';
  readonly plan: SelectPlan;
  /** The index of the row among the route's columns. */
  readonly input: number;
}

export interface JoinSide {
  /** The route's id. */
  readonly route: string;
  readonly columns: readonly string[];
  /** For each column the index of its value among the route's columns. */
  readonly inputs: readonly number[];
}

/** Compiles a pipeline, once in a process: what is compiled is never changed. */
export const compile: (pipeline: Pipeline) => CompiledPipeline = oncePer(compileAnew);

function compileAnew(pipeline: Pipeline): CompiledPipeline {
  const { plan } = pipeline;
  const routes = draftRoutes(pipeline);
  const steps = stepsOf(plan).map((step) => compileStep(pipeline, step, routes));
  for (const step of steps) addToRoutes(step, routes);
  // The aggregate stage first, which then is the home of the records' counts.
  for (const { stages } of routes.values()) stages.sort();
  return {
    id: plan.id,
    planHash: pipeline.planHash,
    slots: plan.slots,
    groups: plan.groups,
    ...compileOrigins(pipeline, routes, steps),
    routes,
    steps,
    dropped: new Set(pipeline.dropped),
  };
}

type Routes = ReadonlyMap<string, RouteDraft>;

function draftRoutes(pipeline: Pipeline): Routes {
  return new Map(
    routesOf(pipeline.plan).map((route, index) => {
      const { op: _, ...key } = bindingOf(pipeline, route.id, 'key');
      return [route.id, draftRoute(route.id, index, sourcesOfInput(route), key)];
    }),
  );
}

/** What the step selects is added to the columns of its routes. */
function compileStep(pipeline: Pipeline, step: StepPlan, routes: Routes): CompiledStep {
  const { plan } = pipeline;
  const contract = stateTokenOf(plan, step);
  const projection = pipeline.projections?.get(step.id);
  const columnTypes = pipeline.columnTypes?.get(step.id);
  return {
    ...compileKind(pipeline, step, contract, routes),
    ...(projection === undefined ? {} : { projection }),
    ...(columnTypes === undefined ? {} : { columnTypes }),
  };
}

function compileKind(pipeline: Pipeline, step: StepPlan, contract: string, routes: Routes): CompiledStep {
  const { plan } = pipeline;
  const routeTo = (id: string): RouteDraft => routeOf(routes, id);
  switch (step.op) {
    case 'aggregate': {
      const { aggregates } = bindingOf(pipeline, step.id, 'aggregate');
      const ranking = rankingOf(plan, step);
      return { ...compileAggregate(step, contract, aggregates, routeTo(step.input)), ranking };
    }
    case 'join':
      return compileJoin(step, contract, bindingOf(pipeline, step.id, 'join'), routeTo);
    case 'process':
      return compileProcess(step, contract, bindingOf(pipeline, step.id, 'process'), routeTo);
    case 'top': {
      const ranked = stepsOf(plan).flatMap((one) => (one.id === step.source ? inputsOf(one) : []));
      const { aggregates } = bindingOf(pipeline, step.source, 'aggregate');
      return compileTop(step, contract, aggregates, {
        route: routeTo(step.input),
        ranked: ranked.map(({ input }) => routeTo(input)),
      });
    }
    case 'running': {
      const { aggregates } = bindingOf(pipeline, step.id, 'running');
      const feeds = feedingStepsOf(plan).includes(step);
      return compileRunning(step, contract, aggregates, routeTo(step.input), feeds);
    }
    case 'select':
      return compileSelect(step, contract, bindingOf(pipeline, step.id, 'select').row, routeTo(step.input));
  }
}

/** What its routes bring to a step, and which columns they may not have for its sake. */
function addToRoutes(step: CompiledStep, routes: Routes): void {
  const { plan, stage, sinks } = step;
  const { kept, derived } = columnsOf(plan);
  // The key of ranked rows is ours, and their columns are the ranked step's.
  const hasOwnKey = plan.op === 'top' || (plan.op === 'select' && !plan.isKeyed);
  for (const [index, { input }] of inputsOf(plan).entries()) {
    const route = routeOf(routes, input);
    route.steps.push(step);
    route.readers.push(readerOf(step, index));
    if (!hasOwnKey) for (const column of [...kept, ...derived]) route.taken.add(column.toLowerCase());
    if (sinks.files !== undefined) route.taken.add(filePartition);
    if (!route.stages.includes(stage)) route.stages.push(stage);
  }
}

/** The trees that hang below the sources, and below the steps whose rows are streams again. */
function compileOrigins(
  pipeline: Pipeline,
  routes: Routes,
  steps: readonly CompiledStep[],
): Pick<CompiledPipeline, 'sources' | 'rowSources'> {
  const { plan } = pipeline;
  const sources = new Map<string, CompiledSource>();
  const rowSources = new Map<string, CompiledRowSource>();
  const nodes = new Map<string, TransformNode>();
  const routesFrom = (id: string): readonly CompiledRoute[] =>
    [...routes.values()].filter((candidate) => candidate.sources.includes(id));
  const feeding = new Set(feedingStepsOf(plan).map(({ id }) => id));
  for (const node of plan.nodes) {
    const { id } = node;
    if (isStep(node) && !feeding.has(id)) continue;
    const route = node.op === 'key' ? routes.get(id) : undefined;
    const binding = bindingOf(pipeline, id, node.op);
    const made: TransformNode = { binding, id, next: [], ...(route === undefined ? {} : { route }) };
    nodes.set(id, made);
    const step = steps.find((candidate) => candidate.plan.id === id);
    if (step !== undefined) rowSources.set(id, { step, root: made, routes: routesFrom(id) });
    else if (node.op === 'source') {
      const { schema, timestamp, decoders } = bindingOf(pipeline, id, 'source');
      sources.set(id, { plan: node, schema, timestamp, decoders, root: made, routes: routesFrom(id) });
    } else {
      for (const before of inputIdsOf(node)) {
        const input = nodes.get(before);
        assert(input !== undefined, `node ${before} stands before ${id} in plan ${plan.id}`);
        input.next.push(made);
      }
    }
  }
  return { sources, rowSources };
}

type BindingOf<O extends Binding['op']> = Binding extends infer B
  ? B extends { readonly op: infer Ops }
    ? O extends Ops
      ? B
      : never
    : never
  : never;

function bindingOf<O extends Binding['op']>({ plan, bindings }: Pipeline, id: string, op: O): BindingOf<O> {
  const binding = bindings.get(id);
  assert(binding?.op === op, `node ${id} of plan ${plan.id} has a binding of kind ${op}`);
  return binding as BindingOf<O>;
}

function routeOf(routes: Routes, id: string): RouteDraft {
  const route = routes.get(id);
  assert(route !== undefined, `route ${id} is in the plan`);
  return route;
}

/** The top step behind an aggregate that has no other reader and no sink. */
function rankingOf({ nodes }: Plan, { id, sinks }: StepPlan): TopPlan | undefined {
  const readers = nodes.filter((node) => inputIdsOf(node).includes(id));
  const [key] = readers;
  if (sinks.length > 0 || readers.length > 1 || key?.op !== 'key') return undefined;
  const [top, ...others] = nodes.filter((node) => inputIdsOf(node).includes(key.id));
  return others.length === 0 && top?.op === 'top' ? top : undefined;
}

function readerOf(step: CompiledStep, input: number): RouteReader {
  const { plan, contract, stage } = step;
  return { step: plan.id, contract, stage, input, columns: columnsOfInput(step, input) };
}

function columnsOfInput(step: CompiledStep, input: number): readonly number[] {
  switch (step.op) {
    case 'aggregate':
    case 'running':
      return step.inputs;
    case 'join':
      return (input === 0 ? step.left : step.right).inputs;
    case 'process':
      return step.inputs[input]?.inputs ?? [];
    case 'top':
    case 'select':
      return [step.input];
  }
}
