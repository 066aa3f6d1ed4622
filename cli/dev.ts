import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { defineCommand } from 'citty';
import { dropState, startStack } from '#local/stack.ts';
import { pipelines } from '#pipelines/index.ts';
import { findPipeline } from '#shared/runtime/settings.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { listOf, wholeNumber } from './arguments.ts';
import { createChaos } from './chaos.ts';
import { countsLine, stepLines } from './counts.ts';
import { parseFaults } from './faults.ts';
import { createFeed } from './feed.ts';
import { createGenerator } from './generate.ts';
import { parseInputs } from './input.ts';
import { startLive } from './live.ts';
import { createLogFile } from './log-file.ts';
import { writeRows } from './output.ts';
import { portsOf } from './ports.ts';
import { finalRows, waitUntilFinal } from './settle.ts';
import { writeStackFile } from './stack-file.ts';
import { createStackReader } from './stack-reader.ts';

const generatedPerSecond = 200;

export const devCommand = defineCommand({
  meta: {
    name: 'dev',
    description:
      'Run a pipeline on this machine, on an embedded AWS, from the template that "cdk deploy" would deploy.',
  },
  args: {
    pipeline: {
      type: 'positional',
      required: false,
      default: 'traffic',
      description: 'A pipeline of pipelines/index.ts',
    },
    input: {
      type: 'string',
      valueHint: 'FILE|-',
      description: 'Records to push, a line each; without it, seeded traffic is made up',
    },
    format: { type: 'string', valueHint: 'ndjson|csv|combined', description: 'The format of the input' },
    rate: {
      type: 'string',
      valueHint: 'N|max',
      description: `Records a second; by default ${generatedPerSecond} for made-up traffic, max for an input`,
    },
    once: {
      type: 'boolean',
      description: 'End when the input is through and every window is final; always starts afresh',
    },
    output: { type: 'string', valueHint: 'FILE', description: 'With --once: where the final rows go, as NDJSON' },
    faults: {
      type: 'string',
      valueHint: 'SPEC',
      description: 'Faults during the input, such as kill-lambda=15,kill-worker=5,split-raw=2,merge-exchange=1',
    },
    fresh: { type: 'boolean', description: 'Drop what an earlier run has kept' },
    seed: {
      type: 'string',
      default: '1',
      valueHint: 'N',
      description: 'Seed of the made-up traffic and of the faults',
    },
    port: { type: 'string', valueHint: 'N', description: 'The first of five ports; 0 for free ones (default 4600)' },
    'raw-shards': { type: 'string', valueHint: 'N', description: 'Shards of each raw stream (default 2)' },
    'exchange-shards': { type: 'string', valueHint: 'N', description: 'Shards of the exchange stream (default 1)' },
    'no-limits': { type: 'boolean', description: "Do not enforce Kinesis' limits of throughput" },
  },
  run: async ({ args, rawArgs }) => {
    const pipeline = findPipeline(pipelines, args.pipeline);
    const once = args.once === true;
    const inputs = parseInputs(pipeline, listOf(rawArgs, 'input'));
    if (once && inputs.length === 0)
      throw new MillraceError('INPUT_INVALID', '--once ends when the input is through, so it needs --input FILE.');
    if (args.output !== undefined && !once)
      throw new MillraceError('INPUT_INVALID', '--output writes the final rows of a bounded run, so it needs --once.');
    for (const { path } of inputs)
      if (path !== '-' && !existsSync(path))
        throw new MillraceError('INPUT_UNREADABLE', `${path} cannot be read: there is no such file.`);
    const rate =
      args.rate === undefined
        ? inputs.length === 0
          ? generatedPerSecond
          : undefined
        : args.rate === 'max'
          ? undefined
          : wholeNumber('rate', args.rate, 1);
    const seed = wholeNumber('seed', args.seed);
    const faults = args.faults === undefined ? [] : parseFaults(args.faults);
    const generator = inputs.length === 0 ? createGenerator(pipeline, seed) : undefined;

    const folder = join('.millrace', once ? `${pipeline.id}-once` : pipeline.id);
    if (once || args.fresh === true) dropState(folder);
    const log = createLogFile(join(folder, 'log'));
    process.stderr.write(`millrace: starting ${pipeline.id} from its template …\n`);
    const stack = await startStack({
      pipeline,
      folder,
      ports: portsOf(args.port),
      throttle: args['no-limits'] !== true,
      ...(args['raw-shards'] === undefined ? {} : { rawShards: wholeNumber('raw-shards', args['raw-shards'], 1) }),
      ...(args['exchange-shards'] === undefined
        ? {}
        : { exchangeShards: wholeNumber('exchange-shards', args['exchange-shards'], 1) }),
      onLine: log.write,
    });
    writeStackFile(pipeline.id, stack);
    const reader = createStackReader(pipeline, stack);
    const chaos = createChaos(stack, seed);
    const feed = createFeed({ stack, format: args.format, rate });
    let ending = false;
    const live = startLive({ pipeline, stack, reader, feed, chaos, logPath: log.path, once, onQuit: () => end(0) });
    const end = async (code: number): Promise<never> => {
      if (ending) process.exit(130);
      ending = true;
      live.stop();
      feed.stop();
      process.stderr.write('millrace: stopping; the worker snapshots its state …\n');
      await stack.stop();
      process.exit(code);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(0));

    if (generator !== undefined) await feed.generate(generator);
    else await feed.pushInputs(pipeline, inputs, { isEnd: once, faults, perform: chaos.perform });
    if (!once) return;
    const counts = await waitUntilFinal({ pipeline, stack, reader, feed, folder: log.path });
    if (args.output !== undefined) writeRows(args.output, await finalRows(pipeline, reader));
    live.stop();
    await stack.stop();
    for (const letter of stack.deadLetters().slice(0, lettersShownMax))
      process.stderr.write(`dead letter: ${describeLetter(letter)}\n`);
    process.stderr.write(`faults: ${chaos.summary()}\nduplicates suppressed: ${counts.duplicates}\n`);
    for (const line of [...stepLines(counts.steps), countsLine(counts)]) process.stderr.write(`${line}\n`);
    process.exit(0);
  },
});

const lettersShownMax = 5;

function describeLetter(text: string): string {
  const { reason, message, origin, sequence, partitionKey } = JSON.parse(text) as Readonly<Record<string, string>>;
  return `${partitionKey ?? ''} ${reason}: ${message} (${origin}, ${sequence})`;
}
