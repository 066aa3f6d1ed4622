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

type BindingOf<O extends Binding['op']> = Binding extends infer B
  ? B extends { readonly op: infer Ops }
    ? O extends Ops
      ? B
      : never
    : never
  : never;

/** Compiles a pipeline, once in a process: what is compiled is never changed. */
export const compile: (pipeline: Pipeline) => CompiledPipeline = oncePer(compileAnew);

function compileAnew(pipeline: Pipeline): CompiledPipeline {
  const { plan, bindings } = pipeline;
  const bindingOf = <O extends Binding['op']>(id: string, op: O): BindingOf<O> => {
    const binding = bindings.get(id);
    assert(binding?.op === op, `node ${id} of plan ${plan.id} has a binding of kind ${op}`);
    return binding as BindingOf<O>;
  };
  const routes = new Map<string, RouteDraft>();
  for (const route of routesOf(plan)) {
    const sources = sourcesOfInput(route);
    const { op: _, ...key } = bindingOf(route.id, 'key');
    routes.set(route.id, draftRoute(route.id, routes.size, sources, key));
  }
  const routeOf = (id: string): RouteDraft => {
    const route = routes.get(id);
    assert(route !== undefined, `route ${id} is in plan ${plan.id}`);
    return route;
  };
  const compileStep = (step: StepPlan, contract: string): CompiledStep => {
    switch (step.op) {
      case 'aggregate':
        return {
          ...compileAggregate(step, contract, bindingOf(step.id, 'aggregate').aggregates, routeOf(step.input)),
          ranking: rankingOf(plan, step),
        };
      case 'join':
        return compileJoin(step, contract, bindingOf(step.id, 'join'), routeOf);
      case 'process':
        return compileProcess(step, contract, bindingOf(step.id, 'process'), routeOf);
      case 'top':
        return compileTop(step, contract, bindingOf(step.source, 'aggregate').aggregates, {
          route: routeOf(step.input),
          ranked: routesTo(step.source),
        });
      case 'running': {
        const feeds = feedingStepsOf(plan).includes(step);
        return compileRunning(step, contract, bindingOf(step.id, 'running').aggregates, routeOf(step.input), feeds);
      }
      case 'select':
        return compileSelect(step, contract, bindingOf(step.id, 'select').row, routeOf(step.input));
    }
  };
  const routesTo = (id: string): readonly RouteDraft[] =>
    stepsOf(plan).flatMap((step) => (step.id === id ? inputsOf(step).map(({ input }) => routeOf(input)) : []));
  const steps = stepsOf(plan).map((step): CompiledStep => {
    const projection = pipeline.projections?.get(step.id);
    const columnTypes = pipeline.columnTypes?.get(step.id);
    const compiled: CompiledStep = {
      ...compileStep(step, stateTokenOf(plan, step)),
      ...(projection === undefined ? {} : { projection }),
      ...(columnTypes === undefined ? {} : { columnTypes }),
    };
    const { kept, derived } = columnsOf(step);
    for (const [index, { input }] of inputsOf(step).entries()) {
      const route = routeOf(input);
      route.steps.push(compiled);
      route.readers.push(readerOf(compiled, index));
      // The key of ranked rows is ours, and their columns are the ranked step's.
      const hasOwnKey = step.op === 'top' || (step.op === 'select' && !step.isKeyed);
      if (!hasOwnKey) for (const column of [...kept, ...derived]) route.taken.add(column.toLowerCase());
      if (compiled.sinks.files !== undefined) route.taken.add(filePartition);
      if (!route.stages.includes(compiled.stage)) route.stages.push(compiled.stage);
    }
    return compiled;
  });
  // The aggregate stage first, which then is the home of the records' counts.
  for (const { stages } of routes.values()) stages.sort();
  const sources = new Map<string, CompiledSource>();
  const rowSources = new Map<string, CompiledRowSource>();
  const nodes = new Map<string, TransformNode>();
  const routesFrom = (id: string): readonly CompiledRoute[] =>
    [...routes.values()].filter((candidate) => candidate.sources.includes(id));
  const feeding = new Set(feedingStepsOf(plan).map(({ id }) => id));
  for (const node of plan.nodes) {
    if (isStep(node)) {
      const step = steps.find((candidate) => candidate.plan.id === node.id);
      if (!feeding.has(node.id) || step === undefined) continue;
      const root: TransformNode = { binding: bindingOf(node.id, node.op), id: node.id, next: [] };
      nodes.set(node.id, root);
      rowSources.set(node.id, { step, root, routes: routesFrom(node.id) });
      continue;
    }
    const route = node.op === 'key' ? routes.get(node.id) : undefined;
    const binding = bindingOf(node.id, node.op);
    const compiled: TransformNode = { binding, id: node.id, next: [], ...(route === undefined ? {} : { route }) };
    nodes.set(node.id, compiled);
    if (node.op === 'source') {
      const { schema, timestamp, decoders } = bindingOf(node.id, 'source');
      sources.set(node.id, {
        plan: node,
        schema,
        timestamp,
        decoders,
        root: compiled,
        routes: routesFrom(node.id),
      });
    } else {
      for (const id of inputIdsOf(node)) {
        const input = nodes.get(id);
        assert(input !== undefined, `node ${id} stands before ${node.id} in plan ${plan.id}`);
        input.next.push(compiled);
      }
    }
  }
  return {
    id: plan.id,
    planHash: pipeline.planHash,
    slots: plan.slots,
    groups: plan.groups,
    sources,
    rowSources,
    routes,
    steps,
    dropped: new Set(pipeline.dropped),
  };
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
