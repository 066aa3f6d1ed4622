import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import type { Decoder } from '#shared/pipeline/decoder.ts';
import type { Binding, Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Placement } from '#shared/pipeline/placement.ts';
import { routesOf, type SourcePlan, type StepPlan, stepsOf } from '#shared/pipeline/plan.ts';
import type { KeyShape } from '#shared/pipeline/stream.ts';
import { assert } from '#shared/schemas/error.ts';
import { reservedColumns } from '#shared/schemas/row.ts';
import type { Stage } from '#shared/schemas/state.ts';

/** A pipeline made ready to run: the plan's nodes joined with their callbacks, once, before the first record. */
export interface CompiledPipeline {
  readonly id: string;
  readonly planHash: string;
  readonly slots: number;
  readonly groups: number;
  readonly sources: ReadonlyMap<string, CompiledSource>;
  readonly routes: ReadonlyMap<string, CompiledRoute>;
  readonly steps: readonly CompiledStep[];
}

export interface CompiledSource {
  readonly plan: SourcePlan;
  readonly schema: StandardSchemaV1;
  readonly timestamp: (record: unknown) => Date | number;
  readonly decoders: readonly Decoder[];
  readonly root: TransformNode;
  readonly routes: readonly CompiledRoute[];
}

/** A node of the tree that hangs below a source: what is shared by several branches is computed once. */
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
  readonly source: string;
  readonly call: (record: unknown) => KeyShape;
  /** Names that the rows behind this route have, so that no key column may have one. */
  readonly taken: ReadonlySet<string>;
  readonly columns: readonly RouteColumn[];
  readonly steps: readonly CompiledStep[];
  /** The stages that have a step behind this route; the first is the home of the records' counts. */
  readonly stages: readonly Stage[];
}

export interface RouteColumn {
  readonly select: (record: unknown) => unknown;
  readonly refuse: ((value: unknown) => string | undefined) | undefined;
  /** `step.column`, for messages. */
  readonly label: string;
}

export interface CompiledStep {
  readonly plan: StepPlan;
  readonly stage: Stage;
  readonly columns: readonly string[];
  readonly aggregators: readonly AnyAggregator<unknown>[];
  /** For each aggregator the index of its value among the route's columns. */
  readonly inputs: readonly number[];
  /** Which aggregators need a total over all keys. */
  readonly totals: readonly number[];
}

export function compile(pipeline: Pipeline): CompiledPipeline {
  const { plan, bindings } = pipeline;
  const bindingOf = <O extends Binding['op']>(id: string, op: O): Extract<Binding, { op: O }> => {
    const binding = bindings.get(id);
    assert(binding?.op === op, `node ${id} of plan ${plan.id} has a binding of kind ${op}`);
    return binding as Extract<Binding, { op: O }>;
  };
  const routes = new Map<string, CompiledRoute>();
  const steps: CompiledStep[] = [];
  for (const route of routesOf(plan)) {
    const compiled = compileRoute(
      routes.size,
      route.id,
      route.source,
      bindingOf(route.id, 'key').call,
      stepsOf(plan)
        .filter((step) => step.input === route.id)
        .map((step) => ({ plan: step, aggregates: bindingOf(step.id, 'aggregate').aggregates })),
    );
    routes.set(route.id, compiled);
    steps.push(...compiled.steps);
  }
  const sources = new Map<string, CompiledSource>();
  const nodes = new Map<string, TransformNode>();
  for (const node of plan.nodes) {
    if (node.op === 'aggregate') continue;
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
        routes: [...routes.values()].filter((candidate) => candidate.source === node.id),
      });
    } else {
      const input = nodes.get(node.input);
      assert(input !== undefined, `node ${node.input} stands before ${node.id} in plan ${plan.id}`);
      input.next.push(compiled);
    }
  }
  return { id: plan.id, planHash: pipeline.planHash, slots: plan.slots, groups: plan.groups, sources, routes, steps };
}

export function stageOf(placement: Placement): Stage {
  return placement === 'lambda' ? 'aggregate' : 'window';
}

function compileRoute(
  index: number,
  id: string,
  source: string,
  call: (record: unknown) => KeyShape,
  definitions: readonly {
    readonly plan: StepPlan;
    readonly aggregates: Readonly<Record<string, AnyAggregator<unknown>>>;
  }[],
): CompiledRoute {
  const columns: RouteColumn[] = [];
  // An aggregator object that several steps use selects once for all of them.
  const indexes = new Map<AnyAggregator<unknown>, number>();
  const steps = definitions.map(({ plan, aggregates }): CompiledStep => {
    const names = Object.keys(aggregates);
    const aggregators = Object.values(aggregates);
    const inputs = aggregators.map((aggregator, index) => {
      const known = indexes.get(aggregator);
      if (known !== undefined) return known;
      columns.push({ select: aggregator.select, refuse: aggregator.refuse, label: `${plan.id}.${names[index]}` });
      indexes.set(aggregator, columns.length - 1);
      return columns.length - 1;
    });
    const shared = Object.values(plan.derived).flatMap((derived) =>
      derived.kind === 'share-of-total' ? derived.columns : [],
    );
    const totals = names.flatMap((name, index) => (shared.includes(name) ? [index] : []));
    return { plan, stage: stageOf(plan.placement), columns: names, aggregators, inputs, totals };
  });
  const stages = (['aggregate', 'window'] as const).filter((stage) => steps.some((step) => step.stage === stage));
  const ofSteps = definitions.flatMap(({ plan }) => [...Object.keys(plan.aggregates), ...Object.keys(plan.derived)]);
  const taken = new Set([...reservedColumns, ...ofSteps]);
  return { id, index, source, call, taken, columns, steps, stages };
}
