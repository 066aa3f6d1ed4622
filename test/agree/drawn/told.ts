import type { Pipeline } from '#shared/pipeline/index.ts';
import { foreverMs } from '#shared/pipeline/join.ts';
import { feedingStepsOf, inputsOf, type StepPlan, sourcesOfInput, stepsOf } from '#shared/pipeline/plan.ts';

/** Of which steps some things are no matter of the records alone. */
export interface Untold {
  /** What is late for them: rows and records are judged by each other, and a pair of late records as its block was cut. */
  readonly lateness: ReadonlySet<string>;
  /** How many records they take: as many as rows have changed, or as slots have ranked. */
  readonly counts: ReadonlySet<string>;
  /** What a database has of them, for it rounds otherwise what they are made of. */
  readonly values: ReadonlySet<string>;
}

export function untoldOf({ plan }: Pipeline): Untold {
  const steps = stepsOf(plan);
  const feeding = new Set(feedingStepsOf(plan).map(({ id }) => id));
  const isEver = new Set(steps.filter((step) => step.op === 'join' && step.upperMs === foreverMs).map(({ id }) => id));
  const running = new Set(steps.filter(({ op }) => op === 'running').map(({ id }) => id));
  const rough = new Set(steps.filter(isRough).map(({ id }) => id));
  const [lateness, counts, values] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const step of steps) {
    const sources = inputsOf(step).flatMap(sourcesOfInput);
    const isBehind = (those: ReadonlySet<string>): boolean => sources.some((source) => those.has(source));
    const isMixed = isBehind(feeding) && !sources.every((source) => feeding.has(source));
    if (isMixed || isBehind(lateness) || isBehind(isEver)) lateness.add(step.id);
    if (isBehind(running) || isBehind(counts) || step.op === 'top') counts.add(step.id);
    if (isBehind(rough) || isBehind(values)) values.add(step.id);
  }
  return { lateness, counts, values };
}

/** What a database rounds, or says with more digits than a sketch. */
const roughKinds = new Set([
  'correlation',
  'count-distinct',
  'covariance',
  'ewma',
  'linear-regression',
  'mean',
  'multiple-regression',
  'quantile',
  'quantiles',
  'rate-of-change',
  'stddev',
  'variance',
  'z-score',
]);

function isRough(step: StepPlan): boolean {
  if (step.op !== 'aggregate' && step.op !== 'running') return false;
  return Object.values(step.aggregates).some(({ kind }) => roughKinds.has(kind));
}
