import { join } from 'node:path';
import { type ArgsDef, defineCommand, type ParsedArgs } from 'citty';
import { dropState } from '#local/kept.ts';
import { type LocalStack, startStack } from '#local/stack.ts';
import { pipelines } from '#pipelines/index.ts';
import { readContractFile, settleContract, writeContractFile } from '#shared/runtime/contract-file.ts';
import type { Counts } from '#shared/runtime/read.ts';
import { lookupsInItems } from '#shared/runtime/run.ts';
import { findPipeline } from '#shared/runtime/settings.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import { listOf, rateOf, wholeNumber } from './arguments.ts';
import { type Chaos, createChaos } from './chaos.ts';
import { countsLine, stepLines } from './counts.ts';
import { fail } from './fail.ts';
import { parseFaults } from './faults.ts';
import { createFeed } from './feed.ts';
import { createGenerator } from './generate.ts';
import { checkReadable, formats, parseInputs, withFormat } from './input.ts';
import { startLive } from './live.ts';
import { createLogFile } from './log-file.ts';
import { checkOutputs, openOutput, writeRows } from './output.ts';
import { portsOf } from './ports.ts';
import { notePushed } from './pushed-before.ts';
import { saveRowFiles } from './row-files.ts';
import { finalRows, waitUntilFinal } from './settle.ts';
import { interruptedCode, listenToSignals } from './signals.ts';
import { folderOf, forgetEndedStack, stackFileOf, writeStackFile } from './stack-file.ts';
import { createStackReader } from './stack-reader.ts';
import { putTables, readTables, tableFiles } from './tables.ts';

const generatedPerSecond = 200;

const devArgs = {
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
  format: { type: 'string', valueHint: Object.keys(formats).join('|'), description: 'The format of the input' },
  table: {
    type: 'string',
    valueHint: 'NAME=FILE',
    description: 'Items for a table that records are enriched from, as NDJSON',
  },
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
  'drop-state': {
    type: 'string',
    valueHint: 'STEP',
    description: 'Lose the state of a step that was changed or removed, which is refused otherwise',
  },
  seed: {
    type: 'string',
    default: '1',
    valueHint: 'N',
    description: 'Seed of the made-up traffic and of the faults',
  },
  port: { type: 'string', valueHint: 'N', description: 'The first of five ports; 0 for free ones (default 4600)' },
  'raw-shards': { type: 'string', valueHint: 'N', description: 'Shards of each raw stream (default 2)' },
  'exchange-shards': { type: 'string', valueHint: 'N', description: 'Shards of the exchange stream (default 1)' },
  threads: { type: 'string', valueHint: 'N', description: 'Threads of each worker (default 1)' },
  workers: { type: 'string', valueHint: 'N', description: 'Worker processes that share the exchange (default 1)' },
  limits: {
    type: 'boolean',
    default: true,
    description: "Enforce Kinesis' limits of throughput",
    negativeDescription: 'Do not enforce them',
  },
} as const satisfies ArgsDef;

export const devCommand = defineCommand({
  meta: {
    name: 'dev',
    description:
      'Run a pipeline on this machine, on an embedded AWS, from the template that "cdk deploy" would deploy.',
  },
  args: devArgs,
  run: async ({ args, rawArgs }) => runStack(optionsOf(args, rawArgs)),
});

/** What the words of the command mean. Refuses what is wrong before anything is started, or dropped. */
function optionsOf(args: ParsedArgs<typeof devArgs>, rawArgs: readonly string[]) {
  const pipeline = findPipeline(pipelines, args.pipeline);
  const once = args.once === true;
  const inputs = parseInputs(pipeline, listOf(rawArgs, 'input'));
  if (once && inputs.length === 0)
    throw new MillraceError('INPUT_INVALID', '--once ends when the input is through, so it needs --input FILE.');
  if (args.output !== undefined && !once)
    throw new MillraceError('INPUT_INVALID', '--output writes the final rows of a bounded run, so it needs --once.');
  checkReadable(inputs);
  const tables = readTables(listOf(rawArgs, 'table'));
  checkOutputs({ output: args.output }, [...inputs.map(({ path }) => path), ...tableFiles(listOf(rawArgs, 'table'))]);
  const output = args.output === undefined ? undefined : openOutput(args.output);
  // What a stack would find out when it has started, and dropped what was kept.
  lookupsInItems(pipeline, tables);
  // The hosts tell the formats of a source apart by themselves; one that they do not read is refused here.
  withFormat(pipeline, args.format);
  const rate = parseRate(args.rate, inputs.length === 0 ? generatedPerSecond : undefined);
  const seed = wholeNumber('seed', args.seed);
  const faults = args.faults === undefined ? [] : parseFaults(args.faults);
  for (const [option, value] of [
    ['format', args.format],
    ['faults', args.faults],
  ])
    if (value !== undefined && inputs.length === 0)
      throw new MillraceError(
        'INPUT_INVALID',
        `--${option} is for an input, and traffic is made up; give --input FILE.`,
      );
  const generator = inputs.length === 0 ? createGenerator(pipeline, seed) : undefined;
  return {
    pipeline,
    once,
    isFresh: once || args.fresh === true,
    dropState: listOf(rawArgs, 'drop-state'),
    inputs,
    tables,
    output,
    rate,
    seed,
    faults,
    generator,
    stackOptions: {
      ports: portsOf(args.port),
      throttle: args.limits,
      props: {
        ...countOf('rawShards', 'raw-shards', args['raw-shards']),
        ...countOf('exchangeShards', 'exchange-shards', args['exchange-shards']),
        worker: {
          leaseSeconds,
          ...countOf('tasks', 'workers', args.workers),
          ...countOf('threads', 'threads', args.threads),
        },
      },
    },
  };
}

async function runStack(options: ReturnType<typeof optionsOf>): Promise<void> {
  const { pipeline, once, isFresh, dropState: dropped, inputs, tables, output, generator, stackOptions } = options;
  const folder = folderOf(pipeline.id, { once });
  if (isFresh) dropState(folder);
  const contractPath = join(folder, 'contract.json');
  const settled = settleContract(pipeline, readContractFile(contractPath), { dropState: dropped });
  for (const { kind, what, advice } of settled.differences)
    process.stderr.write(`millrace: since the last start ${what} (${kind}). ${advice}\n`);
  const log = createLogFile(join(folder, 'log'));
  process.stderr.write(`millrace: starting ${pipeline.id} from its template …\n`);
  forgetEndedStack(folder);
  const stack = await startStack({
    pipeline: settled.pipeline,
    folder,
    ...stackOptions,
    onLine: log.write,
    onError: fail,
  });
  writeContractFile(contractPath, settled.file);
  writeStackFile(stackFileOf(folder, stack));
  for (const line of notePushed(folder, inputs)) process.stderr.write(`millrace: ${line}\n`);
  await putTables(stack, pipeline, tables);
  const reader = createStackReader(pipeline, stack);
  const chaos = createChaos(stack, options.seed);
  const feed = createFeed({ stack, rate: options.rate });
  const quit = () => process.kill(process.pid, 'SIGINT');
  const live = startLive({ pipeline, stack, reader, feed, chaos, logPath: log.path, once, onQuit: quit });
  const stop = async (): Promise<void> => {
    live.stop();
    feed.stop();
    await stack.stop();
  };
  const interruption = listenToSignals({
    stop: () => {
      // An error only for a run that had an end to reach.
      process.stderr.write(once ? 'millrace: stopped before the end, without rows …\n' : 'millrace: stopping …\n');
      void stop().then(() => process.exit(once ? interruptedCode : 0));
    },
    leave: () => process.exit(interruptedCode),
  });

  const work = async (): Promise<void> => {
    if (generator !== undefined) await feed.generate(generator);
    else await feed.pushInputs(pipeline, inputs, { isEnd: once, faults: options.faults, perform: chaos.perform });
    if (!once || interruption.isStopping()) return;
    const counts = await waitUntilFinal({ pipeline, stack, reader, feed, endMs: endOfStreamMs, folder: log.path });
    if (output !== undefined) writeRows(output, await finalRows(pipeline, reader));
    const filesFolder = join(folder, 'files');
    const fileCount = await saveRowFiles(stack, filesFolder);
    await stop();
    if (fileCount > 0) process.stderr.write(`files: ${fileCount} in ${filesFolder}\n`);
    for (const line of summaryOf(stack, chaos, counts)) process.stderr.write(`${line}\n`);
    process.exit(0);
  };
  await work().catch((error) => {
    // What is under way while the stack stops finds it gone.
    if (!interruption.isStopping()) throw error;
  });
}

/** On one machine nobody takes long to answer, and whoever presses `k` wants to see what comes of it. */
const leaseSeconds = 3;

function parseRate(text: string | undefined, rateDefault: number | undefined): number | undefined {
  return text === undefined ? rateDefault : rateOf(text);
}

function countOf(property: string, option: string, text: string | undefined): Readonly<Record<string, number>> {
  return text === undefined ? {} : { [property]: wholeNumber(option, text, 1) };
}

const lettersShownMax = 5;

function summaryOf(stack: LocalStack, chaos: Chaos, counts: Counts): readonly string[] {
  return [
    ...stack
      .deadLetters()
      .slice(0, lettersShownMax)
      .map((letter) => `dead letter: ${describeLetter(letter)}`),
    `faults: ${chaos.summary()}`,
    `duplicates suppressed: ${counts.duplicates}`,
    ...stepLines(counts.steps),
    countsLine(counts),
  ];
}

function describeLetter(text: string): string {
  const { reason, message, origin, sequence, partitionKey } = JSON.parse(text) as Readonly<Record<string, string>>;
  return `${partitionKey ?? ''} ${reason}: ${message} (${origin}, ${sequence})`;
}
