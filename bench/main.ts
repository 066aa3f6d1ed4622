import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { benchEngine } from './engine.ts';
import { benchStack } from './stack.ts';
import { benchCheckpoint, benchSpill } from './state.ts';
import { benchHandOver, benchReplay, benchThreads } from './worker.ts';

const usage = `npm run bench                      everything, about ten minutes
npm run bench -- --only engine     queries in the engine beside a loop by hand; --baseline check fails when a ratio has fallen by 15 %,
                                   --baseline write makes what was measured the baseline
npm run bench -- --only checkpoint what a checkpoint costs by what has changed, and a restore of --state-mb (of JSON; 1000 takes minutes)
npm run bench -- --only threads    the worker's threads, two against one
npm run bench -- --only replay     the memory that a replay at full speed takes, by shards
npm run bench -- --only hand-over  how long a worker with --state-mb (of JSON) takes to hand over
npm run bench -- --only spill      state larger than memory: --spill-mb of it, as JSON, in a process of 2 GB (10000 takes half an hour)
npm run bench -- --only end-to-end the whole stack on the embedded AWS`;

const known = {
  help: { type: 'boolean' },
  only: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  baseline: { type: 'string' },
  events: { type: 'string', default: '400000' },
  keys: { type: 'string', default: '100000' },
  'state-mb': { type: 'string', default: '50' },
  'spill-mb': { type: 'string', default: '2000' },
  seed: { type: 'string', default: '1' },
} as const;
const { values: options } = optionsGiven();
const rounds = numberOf('rounds');
const events = numberOf('events');
const keys = numberOf('keys');
const stateBytes = numberOf('state-mb') * 1e6;
const spilledBytes = numberOf('spill-mb') * 1e6;
const seed = numberOf('seed');
const baseline = baselineGiven();
const { only } = options;
const parts: Readonly<Record<string, () => Promise<string>>> = {
  engine: benchQueries,
  checkpoint: () => benchCheckpoint(keys, stateBytes),
  spill: () => benchSpill(spilledBytes),
  threads: () => benchThreads(),
  replay: () => benchReplay(),
  'hand-over': () => benchHandOver(stateBytes),
  'end-to-end': () => benchStack(events, seed),
};
if (only !== undefined && !Object.hasOwn(parts, only))
  refuse(`--only is one of ${Object.keys(parts).join(', ')}, not ${only}.`);
if (options.help === true) print(usage);
else {
  print(
    `Node ${process.version}, ${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? 'an unknown kind'}\n`,
  );
  for (const [name, bench] of Object.entries(parts)) if (only === undefined || only === name) print(await bench());
}

function optionsGiven() {
  try {
    return parseArgs({ options: known });
  } catch (error) {
    return refuse(`${(error as Error).message}.`);
  }
}

function numberOf(name: 'rounds' | 'events' | 'keys' | 'state-mb' | 'spill-mb' | 'seed'): number {
  const number = Number(options[name]);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  return refuse(`--${name} is ${JSON.stringify(options[name])}; it must be a whole number of at least 1.`);
}

function baselineGiven(): 'check' | 'write' | undefined {
  const { baseline: given } = options;
  if (given === undefined || given === 'check' || given === 'write') return given;
  return refuse(`--baseline is check or write, not ${given}.`);
}

function refuse(what: string): never {
  process.stderr.write(`bench: ${what} The options are --${Object.keys(known).join(', --')}.\n`);
  process.exit(1);
}

async function benchQueries(): Promise<string> {
  const { text, fallen } = await benchEngine({ rounds, seed, ...(baseline && { baseline }) });
  if (fallen.length > 0) process.exitCode = 1;
  const lines = fallen.map((name) => `FALLEN by more than 15 %: ${name}`);
  return [
    `Queries in the engine, beside one another and a loop by hand, ${rounds} rounds in turn, each in a fresh process. Medians; of memory the most.\n`,
    text,
    ...lines,
  ].join('\n');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
