import { defineCommand } from 'citty';
import { describePlan, drawPlan } from '#shared/pipeline/plan-text.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { printLines } from './output.ts';
import { loadPipeline } from './registry.ts';

export const planCommand = defineCommand({
  meta: {
    name: 'plan',
    description: 'Show what a pipeline becomes: its stages, where each step is placed and why, and its state.',
  },
  args: {
    pipeline: {
      type: 'positional',
      required: false,
      default: 'traffic',
      description: 'A pipeline of pipelines/index.ts, or the path of a module that exports one',
    },
    json: { type: 'boolean', description: 'The plan and its hash as JSON' },
    mermaid: { type: 'boolean', description: 'The plan as a Mermaid flow chart' },
  },
  run: async ({ args }) => {
    const { plan, planHash } = await loadPipeline(args.pipeline);
    if (args.json === true && args.mermaid === true)
      throw new MillraceError('INPUT_INVALID', 'give --json or --mermaid, not both.');
    if (args.json === true) printLines([JSON.stringify({ planHash, plan }, null, 2)]);
    else if (args.mermaid === true) printLines(drawPlan(plan));
    else printLines(describePlan(plan, planHash));
  },
});
