import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArgsDef, defineCommand, runCommand, showUsage } from 'citty';
import { wholeNumber } from '#cli/arguments.ts';
import { countsLine } from '#cli/counts.ts';
import { fail } from '#cli/fail.ts';
import { checkOptions } from '#cli/options.ts';
import { type ChaosReport, runChaos } from './run.ts';

const options = {
  events: { type: 'string', default: '5000000', valueHint: 'N', description: 'Records to push' },
  rate: { type: 'string', default: '6000', valueHint: 'N|max', description: 'Records a second' },
  workers: { type: 'string', default: '4', valueHint: 'N', description: 'Worker processes' },
  threads: { type: 'string', default: '2', valueHint: 'N', description: 'Threads of each' },
  shards: { type: 'string', default: '16', valueHint: 'N', description: 'Shards of the exchange stream' },
  'raw-shards': { type: 'string', default: '4', valueHint: 'N', description: 'Shards of the raw stream' },
  kills: { type: 'string', default: '100', valueHint: 'N', description: 'Workers to kill, and half as many Lambdas' },
  'kill-every': { type: 'string', default: '3s', valueHint: 'Ns', description: 'Time between two kills' },
  'reshard-every': {
    type: 'string',
    default: '20s',
    valueHint: 'Ns',
    description: 'Time between two splits or merges',
  },
  minutes: {
    type: 'string',
    default: '20',
    valueHint: 'N',
    description: 'Time after which nothing more is pushed or broken',
  },
  seed: { type: 'string', default: '1', valueHint: 'N', description: 'Seed of the records and of the faults' },
} as const satisfies ArgsDef;

const chaosCommand = defineCommand({
  meta: {
    name: 'npm run chaos --',
    description:
      'Run the bursts pipeline on real processes, kill them and reshard its streams, and compare its rows with those of one batch.',
  },
  args: options,
  run: async ({ args, rawArgs }) => {
    checkOptions(rawArgs, options);
    const wanted = {
      load: { eventCount: wholeNumber('events', args.events, 1), seed: wholeNumber('seed', args.seed) },
      eventsPerSecond: args.rate === 'max' ? undefined : wholeNumber('rate', args.rate, 1),
      workers: wholeNumber('workers', args.workers, 1),
      threads: wholeNumber('threads', args.threads, 1),
      rawShards: wholeNumber('raw-shards', args['raw-shards'], 1),
      exchangeShards: wholeNumber('shards', args.shards, 1),
      killCount: wholeNumber('kills', args.kills),
      killEveryMs: secondsOf('kill-every', args['kill-every']),
      reshardEveryMs: secondsOf('reshard-every', args['reshard-every']),
      timeMs: wholeNumber('minutes', args.minutes, 1) * 60_000,
    };
    const folder = mkdtempSync(join(tmpdir(), 'millrace-chaos-'));
    const report = await runChaos({ ...wanted, folder, print });
    const wrong = wrongWith(report);
    for (const line of [...summaryOf(report), ...wrong]) print(line);
    print(wrong.length === 0 ? 'EQUAL' : `DIFFERENT: rows, batch, log and state are in ${folder}`);
    if (wrong.length === 0) rmSync(folder, { recursive: true, force: true });
    process.exit(wrong.length === 0 ? 0 : 1);
  },
});

function secondsOf(name: string, text: string): number {
  return wholeNumber(name, text.replace(/s$/, ''), 1) * 1_000;
}

function summaryOf({ pushedCount, counts, faults, workerStarts, seconds, comparison }: ChaosReport): readonly string[] {
  return [
    `faults: ${faults}`,
    `worker starts: ${workerStarts}`,
    `duplicates suppressed: ${counts.duplicates}`,
    `rows: ${comparison.rowCount}, compared byte by byte`,
    `sums by hand: ${comparison.sumCount}`,
    `seconds: ${Math.round(seconds)}, ${Math.round(pushedCount / seconds)} records/s`,
    `memory of the embedded AWS: ${Math.round(process.resourceUsage().maxRSS / 1_024)} MB`,
    `pushed=${pushedCount} ${countsLine(counts)}`,
  ];
}

function wrongWith({ pushedCount, counts, comparison }: ChaosReport): readonly string[] {
  const isEachCountedOnce = counts.sent === pushedCount && counts.counted === pushedCount;
  return isEachCountedOnce ? comparison.wrong : ['not every record was counted once', ...comparison.wrong];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.on('uncaughtException', fail);
const rawArgs = process.argv.slice(2);
if (rawArgs.includes('--help')) await showUsage(chaosCommand);
else await runCommand(chaosCommand, { rawArgs }).catch(fail);
