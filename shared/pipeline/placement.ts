import { foreverMs } from './join.ts';
import type { StepPlan } from './plan.ts';
import type { SelectDefinition } from './select.ts';
import type { AggregateDefinition, StepDefinition } from './stream.ts';
import { type AlignedWindow, isAligned, isOrdered } from './window.ts';

/** Where a stateful step runs: in the aggregate Lambda, or in the Fargate worker. */
export type Placement = 'lambda' | 'fargate';

export interface PlacementDecision {
  readonly placement: Placement;
  /** Why, in a sentence for `millrace plan`. */
  readonly reason: string;
}

/** How many overlapping windows a record may be in before the step goes to the worker, which slices them. */
export const overlapMaxOnLambda = 8;
/** An override may go further, at the cost of one state item per overlapping window. */
export const overlapMaxOnLambdaByOverride = 100;
/** Longer windows stay in the worker's memory instead of being rewritten for days. */
export const windowMsMaxOnLambda = 6 * 3_600_000;
/** Of one key, in one column: a state item holds many keys, and is written with each batch. */
export const keptMaxOnLambda = 100;

/**
 * Decides where `step` runs; an override that would give wrong rows is refused by a reason in `refusal`. `feeds` says that its rows are a
 * stream again, which others read.
 */
export function place(step: StepDefinition, feeds = false): PlacementDecision & { readonly refusal?: string } {
  if (step.op === 'join') {
    return {
      placement: 'fargate',
      reason:
        step.upperMs === foreverMs
          ? 'both sides of a key are kept in one memory, for a partner may come at any time'
          : 'both sides of a key wait in one memory until no partner can come any more',
    };
  }
  if (step.op === 'process') {
    return {
      placement: 'fargate',
      reason: 'records of a key wait in memory until they can be taken in the order of their event times',
    };
  }
  if (step.op === 'running') {
    return { placement: 'fargate', reason: 'what is kept of a key is kept for ever, in memory or on the disk' };
  }
  if (step.op === 'select') {
    return {
      placement: 'fargate',
      reason: "its rows go out as they come, each once, in the order of the slot's log",
    };
  }
  if (step.op === 'top') return { placement: 'fargate', reason: 'the rows of all keys are ranked in one memory' };
  if (feeds) {
    const decision: PlacementDecision = {
      placement: 'fargate',
      reason: 'its rows are a stream again, which the worker puts on the exchange as windows close',
    };
    return step.placement === 'lambda' ? { ...decision, placement: 'lambda', refusal: refusedSource } : decision;
  }
  const automatic = placeAutomatically(step);
  if (step.placement === undefined || step.placement === automatic.placement) return automatic;
  const decision = { placement: step.placement, reason: `set by the pipeline (automatic: ${automatic.placement})` };
  const refusal = step.placement === 'lambda' ? refuseLambda(step) : undefined;
  return refusal === undefined ? decision : { ...decision, refusal };
}

/** Decides where a view of late records runs: beside the step that finds them late. */
export function placeLate(view: SelectDefinition, step: StepPlan): PlacementDecision & { readonly refusal?: string } {
  const { placement } = step;
  const out = outOf(view);
  const decision = { placement, reason: `${step.id} is there, which finds the records late` };
  if (placement === 'fargate' || out === undefined) return decision;
  return {
    ...decision,
    refusal: `its rows go into ${out}, which only the worker writes; give the window of ${step.id} placement: 'fargate'`,
  };
}

const refusedSource =
  'its rows are a stream again, and only the worker puts them in an order that every attempt repeats';

function placeAutomatically(step: AggregateDefinition): PlacementDecision {
  const { window, emit } = step;
  if (isOrdered(window)) {
    return {
      placement: 'fargate',
      reason: 'records of a key wait in memory until they can be taken in the order of their event times',
    };
  }
  if (!isAligned(window)) {
    return { placement: 'fargate', reason: 'sessions grow and merge, so all of a key is kept in one memory' };
  }
  const out = outOf(step);
  if (out !== undefined) {
    return { placement: 'fargate', reason: `its rows go into ${out}, each once, in the order of the slot's log` };
  }
  if (emit === 'on-close') {
    return { placement: 'fargate', reason: 'on-close fires once, when the window is complete' };
  }
  if (window.kind === 'calendar') {
    return {
      placement: 'fargate',
      reason: `windows of a ${window.unit} stay in memory instead of being rewritten for hours`,
    };
  }
  if (window.sizeMs > windowMsMaxOnLambda) {
    return {
      placement: 'fargate',
      reason: `windows of ${window.sizeMs / 3_600_000} h stay in memory instead of being rewritten for hours`,
    };
  }
  const overlap = overlapOf(window);
  if (overlap > overlapMaxOnLambda) {
    return {
      placement: 'fargate',
      reason: `a record is in ${overlap} overlapping windows; the worker slices them and updates one`,
    };
  }
  for (const [column, { keptMax = 0 }] of Object.entries(step.aggregates)) {
    const many = Number.isFinite(keptMax) ? `up to ${keptMax}` : 'any number of';
    if (keptMax > keptMaxOnLambda)
      return {
        placement: 'fargate',
        reason: `column ${column} keeps ${many} values of a key, which stay in memory instead of being rewritten`,
      };
  }
  return { placement: 'lambda', reason: 'small mergeable state, updated in DynamoDB as the window fills' };
}

function refuseLambda(step: AggregateDefinition): string | undefined {
  const { window } = step;
  const out = outOf(step);
  if (out !== undefined) return `its rows go into ${out}, which only the worker writes`;
  if (isOrdered(window)) return 'records of a key wait in one memory until they can be taken in order';
  if (!isAligned(window)) {
    return 'sessions are judged against the sessions before them, which Lambda retries would see half changed';
  }
  if (step.early?.time === 'event')
    return 'its early rows follow the watermark, which only the worker looks at block by block';
  const overlap = overlapOf(window);
  if (overlap > overlapMaxOnLambdaByOverride) {
    return `a record would be in ${overlap} windows, each a state item of its own; at most ${overlapMaxOnLambdaByOverride} are allowed`;
  }
  return undefined;
}

function outOf({ sinks }: Pick<StepDefinition, 'sinks'>): string | undefined {
  if (sinks.some(({ kind }) => kind === 's3')) return 'files';
  return sinks.some(({ kind }) => kind === 'kinesis') ? 'a stream' : undefined;
}

/** In how many windows a record is at most. */
export function overlapOf(window: AlignedWindow): number {
  switch (window.kind) {
    case 'sliding':
      return Math.ceil(window.sizeMs / window.slideMs);
    case 'cumulative':
      return Math.ceil(window.sizeMs / window.stepMs);
    case 'tumbling':
    case 'calendar':
      return 1;
  }
}
