import { defineCommand } from 'citty';
import { wholeNumber } from './arguments.ts';

export const simulateCommand = defineCommand({
  meta: {
    name: 'simulate',
    description: 'Run seeded histories with faults on virtual time and compare them with the oracle.',
  },
  args: {
    seed: { type: 'string', default: '1', valueHint: 'N', description: 'The first seed' },
    runs: { type: 'string', default: '1000', valueHint: 'N', description: 'How many seeds' },
  },
  run: async ({ args }) => {
    // The simulation is a test of the project, so it is loaded only when it is asked for.
    const { main } = await import('#test/simulation/main.ts');
    process.exitCode = await main({ seed: wholeNumber('seed', args.seed), runs: wholeNumber('runs', args.runs, 1) });
  },
});
