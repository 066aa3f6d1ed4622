import type { AnyAggregator } from '#shared/pipeline/aggregator.ts';
import type { Binding, Pipeline } from '#shared/pipeline/pipeline.ts';
import {
  type AggregatePlan,
  columnsOf,
  inputsOf,
  isStep,
  type PlanNode,
  type RunningPlan,
  type StepPlan,
  stepsOf,
} from '#shared/pipeline/plan.ts';
import { keyColumnsOf } from '#shared/pipeline/select.ts';
import type { KeyShape } from '#shared/pipeline/stream.ts';
import { encodeKey } from '#shared/schemas/key.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';
import { reservedColumns } from '#shared/schemas/row.ts';
import { isRankable } from './chain-oracle.ts';
import { isJson, selectorsOf } from './join-oracle.ts';
import type { OracleOutput } from './oracle.ts';
import { selectedRowOf } from './select-oracle.ts';

export type Fresh = Omit<OracleOutput, 'id' | 'recordId'>;
/** The item that a table had for a record, by the values of its key in their order. */
export type FindItem = (table: string, key: readonly unknown[]) => LookupItem | undefined;

/** Follows the graph below `node`; false when a key or a value cannot be used, which rejects the record as a whole. */
export function walk(
  pipeline: Pipeline,
  node: string,
  value: unknown,
  timeMs: number,
  found: Fresh[],
  findItem?: FindItem,
): boolean {
  // A union that names it twice stands there twice.
  const children = pipeline.plan.nodes.flatMap((child) =>
    child.op === 'source' || isStep(child)
      ? []
      : (child.op === 'union' ? child.inputs : [child.input]).filter((input) => input === node).map(() => child),
  );
  // Part by part through all branches, so a flatMap's second output stands behind everything of its first.
  return children.every((child) => {
    const binding = pipeline.bindings.get(child.id) as Binding;
    switch (binding.op) {
      case 'filter':
        return binding.call(value) ? walk(pipeline, child.id, value, timeMs, found, findItem) : true;
      case 'map':
        return walk(pipeline, child.id, binding.call(value), timeMs, found, findItem);
      case 'union':
        return walk(pipeline, child.id, value, timeMs, found, findItem);
      case 'flatMap':
        return binding.call(value).every((part) => walk(pipeline, child.id, part, timeMs, found, findItem));
      case 'enrich': {
        const key = binding.key(value);
        const item = key && findItem?.(binding.table.name, keyValuesOf(binding.table.key, key));
        const checked = item && binding.schema['~standard'].validate(item);
        if (checked !== undefined && (!('value' in checked) || checked.issues !== undefined)) return false;
        return walk(pipeline, child.id, binding.call(value, checked?.value), timeMs, found, findItem);
      }
      case 'key': {
        const key = keyOf(pipeline, child, keyColumnsOf(binding, value, timeMs));
        if (key === undefined || !isUsable(pipeline, child, value, timeMs)) return false;
        found.push({ route: child.id, key, timeMs, value });
        return true;
      }
      default:
        return true;
    }
  });
}

function keyValuesOf(
  columns: readonly { readonly name: string }[],
  key: Readonly<Record<string, unknown>>,
): readonly unknown[] {
  return columns.map(({ name }) => key[name]);
}

/** Undefined for a key that cannot be one, or that has a column which its rows have already. */
function keyOf(pipeline: Pipeline, route: PlanNode, columns: KeyShape): string | undefined {
  const behind = stepsBehind(pipeline, route);
  const rowColumns = behind.flatMap((step) => {
    const { kept, derived } = columnsOf(step);
    const ranks = stepsOf(pipeline.plan).flatMap((other) =>
      other.op === 'top' && other.source === step.id
        ? [other.ties === undefined ? 'rank' : (other.ties.as ?? []), Object.keys(other.derived ?? {})].flat()
        : [],
    );
    return step.op === 'top' || (step.op === 'select' && !step.isKeyed) ? [] : [...kept, ...derived, ...ranks];
  });
  try {
    for (const name of Object.keys(columns)) {
      if ((reservedColumns as readonly string[]).includes(name)) return undefined;
      if (rowColumns.includes(name)) return undefined;
    }
    return encodeKey(columns);
  } catch {
    return undefined;
  }
}

function isUsable(pipeline: Pipeline, route: PlanNode, value: unknown, timeMs: number): boolean {
  return stepsBehind(pipeline, route).every((step) => isUsableIn(pipeline, step, route, value, timeMs));
}

function isUsableIn(pipeline: Pipeline, step: StepPlan, route: PlanNode, value: unknown, timeMs: number): boolean {
  switch (step.op) {
    case 'join':
    case 'process':
      return Object.values(selectorsOf(pipeline, step, route.id)).every((select) => isJson(select(value)));
    case 'select':
      return Object.values(selectedRowOf(pipeline, step, value)).every(isJson);
    case 'top':
      return isRankable(step, value as Readonly<Record<string, unknown>>);
    case 'aggregate':
    case 'running':
      return Object.values(aggregatesOf(pipeline, step)).every(
        (one) => one.refuse?.(one.select(value, timeMs)) === undefined,
      );
  }
}

function stepsBehind(pipeline: Pipeline, route: PlanNode): readonly StepPlan[] {
  return stepsOf(pipeline.plan).filter((step) => inputsOf(step).some(({ input }) => input === route.id));
}

export function aggregatesOf(
  pipeline: Pipeline,
  step: AggregatePlan | RunningPlan,
): Readonly<Record<string, AnyAggregator<unknown>>> {
  const binding = pipeline.bindings.get(step.id);
  if (binding?.op !== 'aggregate' && binding?.op !== 'running') throw new Error(`the pipeline has no step ${step.id}`);
  return binding.aggregates;
}
