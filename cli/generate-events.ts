import { defineCommand } from 'citty';
import { MillraceError } from '#shared/schemas/error.ts';
import { nexmarkLines, nexmarkRateDefault } from '#shared/testing/nexmark.ts';
import { wholeNumber } from './arguments.ts';
import { openOutput } from './output.ts';

export const generateCommand = defineCommand({
  meta: {
    name: 'generate',
    description: 'Make up events of a benchmark, as lines of JSON in the order in which they come.',
  },
  args: {
    benchmark: { type: 'positional', required: true, description: 'nexmark: persons, auctions and bids' },
    count: { type: 'string', required: true, valueHint: 'N', description: 'How many events' },
    seed: { type: 'string', default: '1', valueHint: 'N', description: 'The same seed gives the same events' },
    late: {
      type: 'string',
      default: '0',
      valueHint: 'SHARE',
      description: 'The share of the events, 0 to 1, that come later than windows wait for',
    },
    rate: {
      type: 'string',
      default: String(nexmarkRateDefault),
      valueHint: 'N',
      description: 'Events in a second of event time',
    },
    output: { type: 'string', valueHint: 'FILE|-', default: '-', description: 'Where the events go' },
  },
  run: ({ args }) => {
    if (args.benchmark !== 'nexmark')
      throw new MillraceError(
        'INPUT_INVALID',
        `there are no made-up events of ${JSON.stringify(args.benchmark)}; there are those of nexmark.`,
      );
    const lines = nexmarkLines({
      count: wholeNumber('count', args.count),
      seed: wholeNumber('seed', args.seed),
      late: share('late', args.late),
      rate: wholeNumber('rate', args.rate, 1),
    });
    const output = openOutput(args.output);
    for (const line of lines) if (!output.write(line)) break;
    output.close();
  },
});

function share(name: string, value: string): number {
  const number = Number(value);
  if (value.trim() !== '' && number >= 0 && number <= 1) return number;
  throw new MillraceError('INPUT_INVALID', `--${name} is ${JSON.stringify(value)}; it must be a number from 0 to 1.`);
}
