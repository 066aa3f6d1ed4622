import type { CompiledAggregate } from '#shared/engine/compile/compile.ts';
import { oncePer } from '#shared/engine/compile/once-per.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { property } from '#shared/pipeline/source-text.ts';
import { assert } from '#shared/schemas/error.ts';

/** What folding needs of a step. */
export type FoldingStep = Pick<CompiledAggregate, 'aggregators' | 'inputs' | 'columns'> & {
  readonly plan: { readonly id: string };
};

/** The accumulators of one key in one window, slice or session, aligned with the step's aggregators. */
export type Accumulators = unknown[];

export function createAccumulators(step: Pick<FoldingStep, 'aggregators'>): Accumulators {
  return step.aggregators.map((aggregator) => aggregator.create());
}

/** Adds a record's selected values in place. */
export function addValues(step: FoldingStep, accumulators: Accumulators, values: readonly unknown[]): void {
  const { aggregators, inputs } = step;
  for (let index = 0; index < aggregators.length; index += 1) {
    const aggregator = aggregators[index] as CompiledAggregate['aggregators'][number];
    accumulators[index] = aggregator.add(accumulators[index], values[inputs[index] as number]);
  }
}

/** The accumulators of many keys by aggregator and place: numbers lie side by side, and a key needs no object of its own. */
export type AccumulatorColumns = readonly unknown[][];

export function createColumns(step: CompiledAggregate): AccumulatorColumns {
  return step.aggregators.map(() => []);
}

/** Makes a place behind the last one for the accumulators of one more key, as created. */
export function pushCreated(columns: AccumulatorColumns, { aggregators }: CompiledAggregate): void {
  for (let index = 0; index < columns.length; index += 1)
    (columns[index] as unknown[]).push(aggregators[index]?.create());
}

export function accumulatorsAt(columns: AccumulatorColumns, place: number): Accumulators {
  return columns.map((column) => column[place]);
}

export function setAccumulatorsAt(columns: AccumulatorColumns, place: number, accumulators: Accumulators): void {
  for (let index = 0; index < columns.length; index += 1) (columns[index] as unknown[])[place] = accumulators[index];
}

/** Adds a record's selected values to the accumulators at a place, and to the total over all keys, where there is one. */
export type AddRecord = (
  columns: AccumulatorColumns,
  place: number,
  total: Accumulators | undefined,
  values: readonly unknown[],
) => void;

/**
 * The hot line of the engine, as a function of the step's own, which is made once for all slots: so each call in it has one callee, which is
 * compiled into it, and what one step's aggregators are like does not make another's slower.
 */
export const addRecordOf: (step: CompiledAggregate) => AddRecord = oncePer(compileAdd);

function compileAdd({ aggregators, inputs, totals }: CompiledAggregate): AddRecord {
  const names = aggregators.map((_, index) => `aggregator${index}`);
  const adding = (into: string, at: string | number, index: number): string =>
    `${into}[${at}] = aggregator${index}.add(${into}[${at}], values[${inputs[index]}]);`;
  const source = `'use strict';
return (columns, place, total, values) => {
${names.map((_, index) => `const column${index} = columns[${index}]; ${adding(`column${index}`, 'place', index)}`).join('\n')}
if (total === undefined) return;
${totals.map((index) => adding('total', index, index)).join('\n')}
};`;
  return new Function(...names, source)(...aggregators) as AddRecord;
}

/** Adds to a total over all keys, which keeps only the columns that a derived column shares. Others stay as created. */
export function addToTotal(step: CompiledAggregate, total: Accumulators, values: readonly unknown[]): void {
  for (const index of step.totals) {
    const aggregator = step.aggregators[index] as CompiledAggregate['aggregators'][number];
    total[index] = aggregator.add(total[index], values[step.inputs[index] as number]);
  }
}

/** `into` is changed, `from` is not. */
export function mergeAccumulators(step: CompiledAggregate, into: Accumulators, from: Accumulators): void {
  for (let index = 0; index < step.aggregators.length; index += 1) {
    into[index] = step.aggregators[index]?.merge(into[index], from[index]);
  }
}

/** `into` is changed, those at the place are not. */
export function mergeAccumulatorsAt(
  { aggregators }: CompiledAggregate,
  into: Accumulators,
  columns: AccumulatorColumns,
  place: number,
): void {
  for (let index = 0; index < aggregators.length; index += 1)
    into[index] = aggregators[index]?.merge(into[index], columns[index]?.[place]);
}

/** One part is given as it is; several are merged into a new one, for the slices are needed by the next windows too. */
export function mergeAll(step: CompiledAggregate, parts: readonly Accumulators[]): Accumulators {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const merged = createAccumulators(step);
  for (const part of parts) mergeAccumulators(step, merged, part);
  return merged;
}

/** The row's columns by name. */
export function resultsOf(step: FoldingStep, accumulators: Accumulators): Readonly<Record<string, unknown>> {
  return resultsOfStep(step)(accumulators);
}

type Results = (accumulators: Accumulators) => Readonly<Record<string, unknown>>;

const resultsOfStep: (step: FoldingStep) => Results = oncePer(compileResults);

/** As for `addRecordOf`, and all rows of a step have one shape. */
function compileResults({ aggregators, columns }: FoldingStep): Results {
  const names = columns.map((_, index) => `aggregator${index}`);
  const results = columns.map((name, index) => property(name, `aggregator${index}.result(accumulators[${index}])`));
  const source = `'use strict'; return (accumulators) => ({ ${results.join(', ')} });`;
  return new Function(...names, source)(...aggregators) as Results;
}

/** What is totalled over all keys of a step's windows. */
export type TotalledStep = Pick<CompiledAggregate, 'columns' | 'aggregators' | 'totals'>;

/** Adds a slot's part of a total, with the columns that `encodeTotal` gave. */
export function mergeEncodedTotal(
  step: TotalledStep,
  into: Accumulators,
  part: Readonly<Record<string, unknown>>,
): void {
  for (const index of step.totals) {
    const aggregator = step.aggregators[index] as CompiledAggregate['aggregators'][number];
    into[index] = aggregator.merge(into[index], aggregator.decode(part[step.columns[index] as string] as Json));
  }
}

/** The columns of a total as derived columns are computed from them: null where it is not known. */
export function totalResultsOf(
  step: TotalledStep,
  total: Accumulators | null | undefined,
): Readonly<Record<string, number | null | object>> {
  const results: Record<string, number | null | object> = {};
  for (const index of step.totals) {
    const result = total ? step.aggregators[index]?.result(total[index]) : null;
    // Of no values there is no total, which is not one of 0. What has parts is looked into by whoever asks for one.
    results[step.columns[index] as string] = typeof result === 'object' ? result : Number(result);
  }
  return results;
}

/** The encoded columns of a total, by name. */
export function encodeTotal(step: TotalledStep, total: Accumulators): Readonly<Record<string, Json>> {
  const columns: Record<string, Json> = {};
  for (const index of step.totals) {
    columns[step.columns[index] as string] = step.aggregators[index]?.encode(total[index]) ?? null;
  }
  return columns;
}

export function encodeAccumulators(step: FoldingStep, accumulators: Accumulators): readonly Json[] {
  return step.aggregators.map((aggregator, index) => aggregator.encode(accumulators[index]));
}

export function decodeAccumulators(step: FoldingStep, encoded: unknown): Accumulators {
  assert(
    Array.isArray(encoded) && encoded.length === step.aggregators.length,
    `state of ${step.plan.id} has one accumulator a column`,
  );
  return step.aggregators.map((aggregator, index) => aggregator.decode(encoded[index] as Json));
}
