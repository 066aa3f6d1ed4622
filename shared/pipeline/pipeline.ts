import type { StandardSchemaV1 } from '@standard-schema/spec';
import { assert, MillraceError } from '#shared/schemas/error.ts';
import { type AnyAggregator, kindsOf } from './aggregator.ts';
import { checkCallbacks } from './check-callbacks.ts';
import { type ColumnTypes, columnTypesOf } from './column-types.ts';
import type { Decoder } from './decoder.ts';
import { derivedPlanOf } from './derive.ts';
import { type EnrichBinding, planEnrich } from './enrich.ts';
import type { Selectors } from './join.ts';
import { checkName, checkNames, checkOutputs } from './names.ts';
import { type PlacementDecision, place, placeLate } from './placement.ts';
import { isStep, type JoinSidePlan, type Plan, type PlanNode, type StepPlan } from './plan.ts';
import { hashPlan } from './plan-hash.ts';
import type { ProcessCallbacks } from './process.ts';
import { type Projection, projectionPlan } from './projection.ts';
import { givenOptions, shown } from './refuse.ts';
import { keyOfTop, type TopDefinition, topPlanOf, totalsPlanOf } from './rows.ts';
import { type RunningDefinition, runningPlanOf } from './running.ts';
import type { SelectDefinition } from './select.ts';
import { collectSteps, inputNodesOf, originsOf, sourcesPlanOf } from './steps.ts';
import type {
  AggregateDefinition,
  JoinDefinition,
  JoinSideDefinition,
  KeyNode,
  Output,
  ProcessDefinition,
  StepDefinition,
  StreamNode,
} from './stream.ts';
import { checkLateView, checkSource, checkStep, expectedKeysMax, slotsMax } from './validate.ts';

/** The callbacks of a plan's node, found by the node's id. */
export type Binding =
  | {
      readonly op: 'source';
      readonly schema: StandardSchemaV1;
      readonly timestamp: (record: unknown) => Date | number;
      readonly decoders: readonly Decoder[];
    }
  | { readonly op: 'filter'; readonly call: (record: unknown) => boolean }
  | { readonly op: 'map'; readonly call: (record: unknown) => unknown }
  | { readonly op: 'flatMap'; readonly call: (record: unknown) => readonly unknown[] }
  | EnrichBinding
  | ({ readonly op: 'key' } & Pick<KeyNode, 'call' | 'takesTime'>)
  | { readonly op: 'aggregate' | 'running'; readonly aggregates: Readonly<Record<string, AnyAggregator<unknown>>> }
  | { readonly op: 'join'; readonly left: Selectors<unknown>; readonly right: Selectors<unknown> }
  | {
      readonly op: 'process';
      /** By input. */
      readonly selectors: readonly Selectors<unknown>[];
      readonly callbacks: ProcessCallbacks;
    }
  | { readonly op: 'top' }
  | { readonly op: 'union' }
  | { readonly op: 'select'; readonly row: (record: unknown) => Readonly<Record<string, unknown>> };

// biome-ignore lint/suspicious/noExplicitAny: an output's key and row types are carried for the reader's sake only.
export type AnyOutput = Output<string, any, any>;
type OutputMap<O extends readonly AnyOutput[]> = {
  readonly [Name in O[number]['name']]: Extract<O[number], { name: Name }>;
};

/** A pipeline that can be planned, deployed, run and tested: a plan, and its callbacks beside it. */
export interface Pipeline<Outputs extends Readonly<Record<string, AnyOutput>> = Readonly<Record<string, AnyOutput>>> {
  readonly id: string;
  readonly plan: Plan;
  /** Hex. Changes with anything in the plan; hosts compare it with the one they were deployed with. */
  readonly planHash: string;
  readonly bindings: ReadonlyMap<string, Binding>;
  /** How the rows of steps are shown, by step, where it is not as they are kept. */
  readonly projections?: ReadonlyMap<string, Projection>;
  /** What the columns of steps' rows hold, by step. It is asked for where rows become files. */
  readonly columnTypes?: ReadonlyMap<string, () => ColumnTypes>;
  /** Names of the losses of state that this deployment allows; see `nameOfLoss`. */
  readonly dropped?: readonly string[];
  readonly outputs: Outputs;
}

export interface PipelineOptions {
  /** A power of two that bounds the useful number of exchange shards. Fixed for the life of the state. Default 16. */
  readonly slots?: number;
  /**
   * About how many keys a window holds. It sizes the state items so that one stays near 1 KB, the least that DynamoDB bills.
   * Fixed for the life of the state. Default 4,096.
   */
  readonly expectedKeys?: number;
}

const slotsDefault = 16;
const expectedKeysDefault = 4_096;
/** A key with a few small aggregates takes about 64 bytes, so 16 of them make an item of about 1 KB. */
const keysPerItem = 16;

/**
 * Turns finished branches into a pipeline. Throws `PIPELINE_INVALID` or `PLACEMENT_REFUSED`, saying which step and why.
 *
 * `export const traffic = pipeline('traffic', [byIp, visits]);`
 */
export function pipeline<const O extends readonly AnyOutput[]>(
  id: string,
  outputs: O,
  options: PipelineOptions = {},
): Pipeline<OutputMap<O>> {
  checkName(`pipeline ${shown(id)}`, id);
  const { slots = slotsDefault, expectedKeys = expectedKeysDefault } = givenOptions(
    `pipeline ${id}`,
    options,
    ['slots', 'expectedKeys'],
    '{ slots: 64 }',
  );
  if (!Number.isInteger(slots) || !Number.isInteger(Math.log2(slots)) || slots > slotsMax) {
    throw new MillraceError(
      'PIPELINE_INVALID',
      `${id}: slots is ${shown(slots)}; it must be a power of two up to ${slotsMax}.`,
    );
  }
  if (!Number.isInteger(expectedKeys) || expectedKeys < 1 || expectedKeys > expectedKeysMax) {
    throw new MillraceError(
      'PIPELINE_INVALID',
      `${id}: expectedKeys is ${shown(expectedKeys)}; it must be a whole number up to ${expectedKeysMax}.`,
    );
  }
  checkOutputs(id, outputs);
  const steps = collectSteps(
    id,
    outputs.map((output) => output.step),
  );
  const inputs = steps.flatMap((step) => inputNodesOf(step).flatMap(originsOf));
  checkNames(
    id,
    [
      ...outputs.map((output) => output.name),
      ...steps.flatMap(({ sinks, name }) => (sinks.length === 0 ? [name] : [])),
    ],
    new Set(inputs.flatMap(({ name, isStep }) => (isStep ? [] : [name]))),
  );
  const feeds = ({ name }: StepDefinition): boolean => inputs.some((input) => input.isStep && input.name === name);
  for (const step of steps) if (step.op === 'select') checkLateView(id, step, { steps, feeds });
  for (const step of steps) checkStep(id, step, feeds(step));
  const graph = new Graph(id, steps);
  for (const step of steps) graph.addStep(step, feeds(step));
  const plan: Plan = { version: 1, id, slots, groups: groupsFor(expectedKeys, slots), nodes: graph.nodes };
  return {
    id,
    plan,
    planHash: hashPlan(plan, (step) => graph.aggregatesOf(step)),
    bindings: graph.bindings,
    projections: graph.projections,
    columnTypes: new Map(steps.map((step) => [step.name, () => columnTypesOf(step)])),
    outputs: Object.fromEntries(outputs.map((output) => [output.name, output])) as unknown as OutputMap<O>,
  };
}

function groupsFor(expectedKeys: number, slots: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(expectedKeys / slots / keysPerItem)));
}

/** Gathers nodes, inputs first, each definition once. */
class Graph {
  readonly nodes: PlanNode[] = [];
  readonly bindings = new Map<string, Binding>();
  readonly projections = new Map<string, Projection>();
  readonly #pipeline: string;
  readonly #steps: readonly StepDefinition[];
  readonly #ids = new Map<StreamNode | KeyNode, string>();

  constructor(pipeline: string, steps: readonly StepDefinition[]) {
    this.#pipeline = pipeline;
    this.#steps = steps;
  }

  addStep(step: StepDefinition, feeds: boolean): void {
    const decision =
      step.op === 'select' && step.lateOf !== undefined ? this.#placeLate(step, step.lateOf) : place(step, feeds);
    if (decision.refusal !== undefined) {
      throw new MillraceError(
        'PLACEMENT_REFUSED',
        `${this.#pipeline}: step ${step.name} cannot be placed on ${decision.placement}: ${decision.refusal}.`,
      );
    }
    if (step.op === 'join') this.#addJoin(step, decision);
    else if (step.op === 'process') this.#addProcess(step, decision);
    else if (step.op === 'top') this.#addTop(step, decision);
    else if (step.op === 'select') this.#addSelect(step, decision);
    else if (step.op === 'running') this.#addRunning(step, decision);
    else this.#addAggregate(step, decision);
    if (step.projection !== undefined) this.#addProjection(step.projection);
  }

  /** Of the step that was added last. */
  #addProjection(projection: Projection): void {
    const node = this.nodes.pop() as StepPlan;
    this.nodes.push({ ...node, projection: projectionPlan(projection) });
    this.projections.set(node.id, projection);
  }

  #addAggregate(step: AggregateDefinition, { placement, reason }: PlacementDecision): void {
    const input = this.#addKey(step.key);
    this.#add(
      {
        op: 'aggregate',
        id: step.name,
        ...sourcesPlanOf(step.key.input),
        input,
        window: step.window,
        allowedLatenessMs: step.allowedLatenessMs,
        emit: step.emit,
        refreshMs: step.refreshMs,
        ...(step.early === undefined ? {} : { early: step.early }),
        aggregates: kindsOf(step.aggregates),
        derived: derivedPlanOf(step.derived),
        ...totalsPlanOf(step, this.#steps),
        sinks: step.sinks,
        placement,
        reason,
      },
      { op: 'aggregate', aggregates: step.aggregates },
    );
  }

  #addJoin(step: JoinDefinition, { placement, reason }: PlacementDecision): void {
    const [left, right] = this.#addSides([step.left, step.right]) as [JoinSidePlan, JoinSidePlan];
    this.#add(
      {
        op: 'join',
        id: step.name,
        kind: step.kind,
        lowerMs: step.lowerMs,
        upperMs: step.upperMs,
        left,
        right,
        allowedLatenessMs: step.allowedLatenessMs,
        sinks: step.sinks,
        placement,
        reason,
      },
      { op: 'join', left: step.left.columns, right: step.right.columns },
    );
  }

  #addProcess(step: ProcessDefinition, { placement, reason }: PlacementDecision): void {
    this.#add(
      {
        op: 'process',
        id: step.name,
        does: step.does,
        inputs: this.#addSides(step.inputs),
        row: step.row,
        ...(step.ttlMs === undefined ? {} : { ttlMs: step.ttlMs }),
        allowedLatenessMs: step.allowedLatenessMs,
        sinks: step.sinks,
        placement,
        reason,
      },
      { op: 'process', selectors: step.inputs.map(({ columns }) => columns), callbacks: step.callbacks },
    );
  }

  /** Joined with itself, a stream crosses the exchange once a side. */
  #addSides(sides: readonly JoinSideDefinition[]): readonly JoinSidePlan[] {
    return sides.map(({ key, columns }, at) => {
      const isTwice = sides.findIndex((side) => side.key === key) < at;
      const input = this.#addKey(isTwice ? { ...key } : key);
      return { ...sourcesPlanOf(key.input), input, columns: Object.keys(columns) };
    });
  }

  #addTop(step: TopDefinition, decision: PlacementDecision): void {
    const input = this.#addKey({ op: 'key', input: step.input, call: () => keyOfTop(step.name) });
    this.#add(topPlanOf(step, input, decision), { op: 'top' });
  }

  /** Beside the step that finds the records late, which is in the plan already. */
  #placeLate(view: SelectDefinition, { name }: AggregateDefinition): ReturnType<typeof place> {
    const step = this.nodes.find((node) => isStep(node) && node.id === name) as StepPlan;
    return placeLate(view, step);
  }

  #addSelect(
    { name, key, columns, rowOf, isKeyed, window, lateOf, sinks }: SelectDefinition,
    { placement, reason }: PlacementDecision,
  ): void {
    const input = this.#addKey(key);
    this.#add(
      {
        op: 'select',
        id: name,
        ...sourcesPlanOf(key.input),
        input,
        columns: Object.keys(columns),
        isKeyed,
        ...(window === undefined ? {} : { window }),
        ...(lateOf === undefined ? {} : { lateOf: lateOf.name }),
        allowedLatenessMs: 0,
        sinks,
        placement,
        reason,
      },
      {
        op: 'select',
        row: rowOf,
      },
    );
  }

  #addRunning(step: RunningDefinition, decision: PlacementDecision): void {
    const input = { ...sourcesPlanOf(step.key.input), input: this.#addKey(step.key) };
    this.#add(runningPlanOf(step, input, decision), { op: 'running', aggregates: step.aggregates });
  }

  aggregatesOf(step: string): Readonly<Record<string, AnyAggregator<unknown>>> {
    const binding = this.bindings.get(step);
    assert(binding?.op === 'aggregate' || binding?.op === 'running', `step ${step} has its aggregates bound`);
    return binding.aggregates;
  }

  #addKey(key: KeyNode): string {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const input = this.#addStream(key.input);
    const id = this.#freeId(`${input}/key`);
    this.#ids.set(key, id);
    this.#add(
      { op: 'key', id, ...sourcesPlanOf(key.input), input },
      { op: 'key', call: key.call, ...(key.takesTime === true ? { takesTime: true } : {}) },
    );
    return id;
  }

  #addStream(node: StreamNode): string {
    const known = this.#ids.get(node);
    if (known !== undefined) return known;
    // The step stands before this one, since inputs come first.
    if (node.op === 'rows') return node.step.name;
    if (node.op === 'source') {
      checkSource(this.#pipeline, node, this.bindings.has(node.name));
      this.#ids.set(node, node.name);
      this.#add(
        {
          op: 'source',
          id: node.name,
          formats: node.decoders.map(({ format, config }) => ({ format, config })),
          outOfOrdernessMs: node.outOfOrdernessMs,
          ...(node.idleAfterMs === undefined ? {} : { idleAfterMs: node.idleAfterMs }),
          ...(node.whenSilent === 'advance' ? { whenSilent: node.whenSilent } : {}),
        },
        { op: 'source', schema: node.schema, timestamp: node.timestamp, decoders: node.decoders },
      );
      return node.name;
    }
    if (node.op === 'union') {
      const inputs = node.inputs.map((one) => this.#addStream(one));
      const id = this.#freeId(`${inputs[0]}/union`);
      this.#ids.set(node, id);
      this.#add({ op: 'union', id, inputs }, { op: 'union' });
      return id;
    }
    const input = this.#addStream(node.input);
    const id = this.#freeId(`${input}/${node.op}`);
    this.#ids.set(node, id);
    if (node.op === 'enrich') this.#add(...planEnrich(this.#pipeline, node, { id, input, nodes: this.nodes }));
    else this.#add({ op: node.op, id, input }, { op: node.op, call: node.call } as Binding);
    return id;
  }

  #add(node: PlanNode, binding: Binding): void {
    checkCallbacks(`${this.#pipeline}: ${isStep(node) ? `step ${node.id}` : node.id}:`, binding);
    this.nodes.push(node);
    this.bindings.set(node.id, binding);
  }

  /** Branches of one input are numbered in the order of their definition: `requests/filter`, `requests/filter-2`. */
  #freeId(wanted: string): string {
    if (!this.bindings.has(wanted)) return wanted;
    let number = 2;
    while (this.bindings.has(`${wanted}-${number}`)) number += 1;
    return `${wanted}-${number}`;
  }
}
