import { type ArgsDef, defineCommand } from 'citty';
import type { CallbackFailure } from '#shared/engine/operators/emit.ts';
import type { FileReader, RejectedRow, Taken, VisitTaken } from '#shared/engine/run.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { sourcesOf } from '#shared/pipeline/plan.ts';
import { createBoundedRun, type TableItems } from '#shared/runtime/run.ts';
import type { DeadLetter } from '#shared/schemas/dead-letter.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { decodeKey } from '#shared/schemas/key.ts';
import type { PrintedRow } from '#shared/schemas/row.ts';
import { listOf } from './arguments.ts';
import { countsLine, stepLines } from './counts.ts';
import { formats, type Input, parseInputs, readInputPieces, withFormat } from './input.ts';
import { checkOutputs, openOutput, openRows } from './output.ts';
import { createProgress } from './progress.ts';
import { loadPipeline } from './registry.ts';
import { readTables, tableFiles } from './tables.ts';

const rejectionsShownMax = 5;

/** What a run over files prints, and where. */
export const rowOptions = {
  view: { type: 'string', valueHint: 'NAME', description: 'Print the rows of this view only' },
  output: {
    type: 'string',
    valueHint: 'FILE|-',
    default: '-',
    description: 'Where the rows go, as NDJSON, or as Parquet to FILE.parquet',
  },
  'dead-letters': { type: 'string', valueHint: 'FILE', description: 'Where rejected and late records go, as NDJSON' },
} as const satisfies ArgsDef;

export const runCommand = defineCommand({
  meta: {
    name: 'run',
    description: 'Run a pipeline over files in one process, without servers: every window is final at the end.',
  },
  args: {
    pipeline: {
      type: 'positional',
      required: true,
      description: 'A pipeline of pipelines/index.ts, or the path of a module that exports one',
    },
    input: {
      type: 'string',
      required: true,
      valueHint: 'FILE|-',
      description: 'Records; for several sources --input source=FILE for each',
    },
    format: {
      type: 'string',
      valueHint: Object.keys(formats).join('|'),
      description: 'Format of the input; by default each line is recognised',
    },
    table: {
      type: 'string',
      valueHint: 'NAME=FILE',
      description: 'The items of a table that records are enriched from, as NDJSON; for each such table',
    },
    ...rowOptions,
  },
  run: async ({ args, rawArgs }) => {
    const pipeline = withFormat(await loadPipeline(args.pipeline), args.format);
    const inputs = parseInputs(pipeline, listOf(rawArgs, 'input'));
    const tables = readTables(listOf(rawArgs, 'table'));
    checkOutputs({ output: args.output, 'dead-letters': args['dead-letters'] }, [
      ...inputs.map(({ path }) => path),
      ...tableFiles(listOf(rawArgs, 'table')),
    ]);
    await runOverFiles(pipeline, inputs, { ...args, tables, deadLetters: args['dead-letters'] });
  },
});

/** Runs a pipeline over its inputs, and prints its rows and what became of the records. `arrange` orders the rows, or leaves some out. */
export async function runOverFiles(
  pipeline: Pipeline,
  inputs: readonly Input[],
  args: {
    readonly view?: string | undefined;
    readonly output: string;
    readonly deadLetters?: string | undefined;
    readonly arrange?: (rows: Iterable<PrintedRow>, hasRecords: () => boolean) => Iterable<PrintedRow>;
    readonly tables?: TableItems;
  },
): Promise<void> {
  checkView(pipeline.id, Object.keys(pipeline.outputs), args.view);
  const missing = sourcesOf(pipeline.plan).filter((source) => !inputs.some((input) => input.source === source.id));
  if (missing.length > 0)
    throw new MillraceError(
      'INPUT_INVALID',
      `no input for ${missing.map((source) => source.id).join(', ')}: add --input ${missing[0]?.id}=FILE.`,
    );
  const run = createBoundedRun(pipeline, args.tables);
  // A run of hours that cannot write its rows is told so at its start.
  const unfit: string[] = [];
  const writeAll = openRows(args.output, { pipeline, view: args.view }, (column, type) =>
    unfit.push(
      `${args.output}: column ${column} has values that ${type} cannot hold, so it has the type of its values`,
    ),
  );
  const letters = createLetters(args.deadLetters);
  for (const input of inputs) {
    await readInput(input, run.openFile(input.source, input.path), (taken, { line, payload }) => {
      if (taken.rejection !== undefined || taken.lateSteps.length > 0)
        letters.add(`${input.path}:${line}`, letterOfRecord(input, payload, line, taken));
      for (const failure of run.takeFailures()) letters.add(...letterOfFailure(failure));
    });
  }
  const rows = run.finish(args.view);
  for (const failure of run.takeFailures()) letters.add(...letterOfFailure(failure));
  for (const rejected of run.rejectedRows()) letters.add(`a row of ${rejected.row.view}`, letterOfRow(rejected));
  // What is arranged is a query, and so the one view that there is.
  const hasRecords = (): boolean =>
    Object.keys(pipeline.outputs).some((view) => (run.stepCounts()[view]?.counted ?? 0) > 0);
  writeAll(args.arrange?.(rows, hasRecords) ?? rows);
  letters.close();
  for (const line of [...unfit, ...letters.shown, ...stepLines(run.stepCounts()), countsLine(run.counts())])
    process.stderr.write(`${line}\n`);
}

function checkView(pipeline: string, views: readonly string[], view: string | undefined): void {
  if (view !== undefined && !views.includes(view))
    throw new MillraceError('VIEW_UNKNOWN', `pipeline ${pipeline} has no view ${view}; it has ${views.join(', ')}.`);
}

/** Reads a file, lines in pieces and other formats whole. */
async function readInput(input: Input, file: FileReader, visit: VisitTaken): Promise<void> {
  const progress = createProgress(input.path);
  for await (const bytes of readInputPieces(input.path, file.readsLines, progress.add)) file.read(bytes, visit);
  file.end(visit);
  progress.end();
}

/** Takes the records that were not counted: all of them go to a file as NDJSON when one is named, the first ones are shown. */
function createLetters(path: string | undefined): {
  /** `where` is for people. */
  readonly add: (where: string, letter: Letter) => void;
  readonly close: () => void;
  readonly shown: readonly string[];
} {
  const output = path === undefined ? undefined : openOutput(path, '--dead-letters');
  const shown: string[] = [];
  let count = 0;
  return {
    close: () => output?.close(),
    shown,
    add: (where, letter) => {
      count += 1;
      if (count <= rejectionsShownMax) shown.push(`${where}: ${letter.reason}: ${letter.message}`);
      else if (count === rejectionsShownMax + 1) shown.push('… and more; --dead-letters FILE writes them all.');
      output?.write(JSON.stringify(letter));
    },
  };
}

type Letter = Pick<DeadLetter, 'reason' | 'message'> & Readonly<Record<string, unknown>>;

function letterOfRecord(
  input: Input,
  payload: string | Uint8Array,
  number: number,
  { rejection, lateSteps, eventTimeMs }: Taken,
): Letter {
  return {
    reason: rejection?.reason ?? 'late',
    message: rejection?.message ?? `its windows, or the time to join it, had closed in ${lateSteps.join(', ')}`,
    source: input.source,
    origin: input.path,
    sequence: String(number),
    ...(lateSteps.length === 0 ? {} : { steps: lateSteps }),
    ...(eventTimeMs === undefined ? {} : { eventTimeMs }),
    ...(typeof payload === 'string' ? { payload } : { payloadBase64: Buffer.from(payload).toString('base64') }),
  };
}

/** What threw behind the exchange. */
function letterOfFailure(failure: CallbackFailure): [where: string, letter: Letter] {
  const { step, source, origin, sequence, key, timeMs, message } = failure;
  const steps = [step.plan.id];
  const letter = { reason: 'threw' as const, message: `${step.plan.id}: ${message}`, source, origin, sequence, steps };
  return [`${origin}:${sequence}`, { ...letter, eventTimeMs: timeMs, key: decodeKey(key) }];
}

/** A row that could not be a record again. */
function letterOfRow({ row, rejection }: RejectedRow): Letter {
  const { reason, message, step, eventTimeMs } = rejection;
  return {
    reason,
    message,
    source: row.view,
    ...(step === undefined ? {} : { steps: [step] }),
    ...(eventTimeMs === undefined ? {} : { eventTimeMs }),
    key: decodeKey(row.key),
  };
}
