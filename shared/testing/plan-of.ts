import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { describePlan } from '#shared/pipeline/plan-text.ts';

/**
 * The plan of a pipeline as text, as `millrace plan` prints it: what is read, what each step keeps, and where it is placed and why. For
 * snapshots: `expect(planOf(traffic)).toMatchSnapshot()`. Its first line has the plan's hash, which changes with anything in the plan.
 */
export function planOf({ plan, planHash }: Pipeline): string {
  return describePlan(plan, planHash).join('\n');
}
