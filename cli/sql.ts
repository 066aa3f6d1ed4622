import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { defineCommand } from 'citty';
import type { SyslogOptions } from '#shared/pipeline/decoders/syslog.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { sourcesOf } from '#shared/pipeline/plan.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import {
  type Arrange,
  binaryAdvice,
  binaryFormats,
  declaredTable,
  durationText,
  type InferredFormat,
  inferredFormats,
  inferTable,
  sqlPipeline,
  type TableDefinition,
  timeColumnsOf,
  timeText,
} from '#shared/sql/index.ts';
import { listOf, wholeNumber } from './arguments.ts';
import { checkReadable, type Input, readInputBytes } from './input.ts';
import { checkOutputs } from './output.ts';
import { rowOptions, runOverFiles } from './run.ts';

export const sqlCommand = defineCommand({
  meta: {
    name: 'sql',
    description: 'Run a query of SQL over files in one process. Columns and types are read off the first lines.',
  },
  args: {
    query: { type: 'positional', required: true, description: 'The text, or the path of a file that ends in .sql' },
    input: {
      type: 'string',
      required: true,
      valueHint: 'FILE|-',
      description: 'Records; for several tables --input table=FILE for each',
    },
    table: {
      type: 'string',
      valueHint: 'NAME',
      description: 'The name of the table; by default any that the query reads',
    },
    schema: {
      type: 'string',
      valueHint: 'COLUMNS',
      description: "Columns as in CREATE TABLE: 'ip STRING, bytes BIGINT, ts TIMESTAMP(3)'",
    },
    format: {
      type: 'string',
      valueHint: inferredFormats.join('|'),
      description: 'Format of the input; by default it is recognised',
    },
    time: {
      type: 'string',
      valueHint: 'COLUMN',
      description: 'The column with the event time; by default that of the windows',
    },
    'out-of-orderness': {
      type: 'string',
      valueHint: 'DURATION',
      description: 'How late a record may be, such as 5s; by default none of a file is late',
    },
    year: {
      type: 'string',
      valueHint: 'N',
      description: 'The year of the first line of each file of syslog whose times have none',
    },
    reference: {
      type: 'string',
      valueHint: 'TIME',
      description: 'Instead of --year: a time within half a year of those lines',
    },
    'utc-offset': {
      type: 'string',
      valueHint: '+01:00',
      description: 'The time zone of times of syslog that have none; default UTC',
    },
    ...rowOptions,
  },
  run: async ({ args, rawArgs }) => {
    const text = textOf(args.query);
    const given = inputsByTable(listOf(rawArgs, 'input'), args.table);
    const syslog = syslogOf(args);
    const paths = given.flatMap((input) => input.paths);
    checkReadable(paths.map((path) => ({ source: '', path })));
    checkOutputs(
      { output: args.output, 'dead-letters': args['dead-letters'] },
      isFile(args.query) ? [args.query, ...paths] : paths,
    );
    const tables = await tablesOf(text, given, { ...args, syslog });
    const files = new Map<string, GivenInput>();
    const defined: TableDefinition[] = [];
    let arrange: Arrange | undefined;
    const pipeline = sqlPipeline(text, {
      onArrange: (found) => {
        arrange = found;
      },
      id: isFile(args.query) ? basename(args.query, '.sql') : 'query',
      tableNames: tables.flatMap(({ input }) => input.table ?? []),
      tableNamed: (name) => {
        const found = tables.find(
          ({ input }) => input.table === undefined || input.table.toLowerCase() === name.toLowerCase(),
        );
        if (found === undefined) return undefined;
        if (found.input.table === undefined && files.size > 0) throw filesUnnamed([...files.keys(), name]);
        const table = found.define(name);
        files.set(table.stream, found.input);
        defined.push(table);
        return table;
      },
    });
    checkAllRead(pipeline, given, files);
    if (args.time !== undefined) checkTime(args.time, defined);
    if (syslog !== undefined) checkSyslog(defined);
    await runOverFiles(pipeline, inputsOf(pipeline, given, files), {
      ...args,
      deadLetters: args['dead-letters'],
      ...(arrange === undefined ? {} : { arrange }),
    });
  },
});

function isFile(query: string): boolean {
  return query.endsWith('.sql') && !/\s/.test(query);
}

function textOf(query: string): string {
  if (!isFile(query)) return query;
  if (!existsSync(query))
    throw new MillraceError('INPUT_UNREADABLE', `${query} cannot be read: there is no such file.`);
  return readFileSync(query, 'utf8');
}

interface GivenInput {
  /** The table whose records these are; undefined when it is any. */
  readonly table: string | undefined;
  /** A table may be in several files. */
  readonly paths: readonly string[];
}

function inputsByTable(values: readonly string[], table: string | undefined): readonly GivenInput[] {
  const inputs = new Map<string | undefined, GivenInput>();
  for (const value of values) {
    const [, name, path] = /^([A-Za-z_]\w*)=(.*)$/.exec(value) ?? [];
    const isNamed = name !== undefined && path !== undefined && !existsSync(value);
    const own = isNamed ? name : table;
    const key = own?.toLowerCase();
    inputs.set(key, { table: own, paths: [...(inputs.get(key)?.paths ?? []), isNamed ? path : value] });
  }
  return [...inputs.values()];
}

function filesUnnamed(tables: readonly string[]): MillraceError {
  return new MillraceError(
    'INPUT_INVALID',
    `the query reads the tables ${tables.join(' and ')}: name the file of each, as in ${tables.map((name) => `--input ${name}=FILE`).join(' ')}.`,
  );
}

/** A file that nothing reads was not meant so. */
function checkAllRead(pipeline: Pipeline, given: readonly GivenInput[], files: ReadonlyMap<string, GivenInput>): void {
  const read = inputsOf(pipeline, given, files).map(({ path }) => path);
  const unread = given.flatMap(({ paths }) => paths).find((path) => !read.includes(path));
  if (unread === undefined) return;
  const tables = sourcesOf(pipeline.plan).map(({ id }) => id.replaceAll('-', '_'));
  throw new MillraceError(
    'INPUT_INVALID',
    `nothing in the query reads ${unread}: it reads ${tables.join(' and ')}. Write --input ${tables[0]}=FILE, or leave the file out.`,
  );
}

function syslogOf(args: {
  readonly year?: string | undefined;
  readonly reference?: string | undefined;
  readonly 'utc-offset'?: string | undefined;
}): SyslogOptions | undefined {
  const { year, reference, 'utc-offset': utcOffset } = args;
  if (year === undefined && reference === undefined && utcOffset === undefined) return undefined;
  return {
    year: year === undefined ? undefined : wholeNumber('year', year, 1),
    reference: reference === undefined ? undefined : timeText(reference),
    utcOffset,
  };
}

function checkSyslog(tables: readonly TableDefinition[]): void {
  if (tables.some(({ decoders }) => decoders.some(({ format }) => format === 'syslog'))) return;
  throw new MillraceError(
    'INPUT_INVALID',
    "--year, --reference and --utc-offset are for files of syslog, and no table is read off one. In CREATE TABLE write 'syslog.year', 'syslog.reference' and 'syslog.utc-offset'.",
  );
}

function checkTime(wanted: string, tables: readonly TableDefinition[]): void {
  if (tables.some(({ time }) => time?.column.toLowerCase() === wanted.toLowerCase())) return;
  const times = tables.flatMap(({ columns, computed }) => [
    ...columns.filter(({ type: { kind } }) => kind === 'timestamp' || kind === 'integer' || kind === 'double'),
    ...computed.filter(({ compiled }) => compiled.type.kind === 'timestamp'),
  ]);
  throw new MillraceError(
    'INPUT_INVALID',
    `--time ${wanted}: no table that is read off a file has this column with a time in it. Columns that may be one: ${times.map(({ name }) => name).join(', ') || 'none'}.`,
  );
}

interface GivenTable {
  readonly input: GivenInput;
  readonly define: (name: string) => TableDefinition;
}

/** What the files hold, for the tables that the text does not define. */
async function tablesOf(
  text: string,
  inputs: readonly GivenInput[],
  args: {
    readonly schema?: string | undefined;
    readonly format?: string | undefined;
    readonly time?: string | undefined;
    readonly 'out-of-orderness'?: string | undefined;
    readonly syslog: SyslogOptions | undefined;
  },
): Promise<readonly GivenTable[]> {
  const format = formatOf(args.format);
  const outOfOrderness = args['out-of-orderness'];
  const outOfOrdernessMs = outOfOrderness === undefined ? undefined : durationText(outOfOrderness);
  const timeColumns = [...(args.time === undefined ? [] : [args.time]), ...timeColumnsOf(text)];
  const tables: GivenTable[] = [];
  for (const input of inputs) {
    const { schema } = args;
    const [first = '-'] = input.paths;
    // A text that defines its tables needs no look into a file.
    const lines = first === '-' ? undefined : await firstLines(first);
    if (schema !== undefined) {
      tables.push({
        input,
        define: (name) =>
          declaredTable(schema, {
            name,
            format: format ?? (/\.csv(\.gz|\.zst)?$/.test(first) ? 'csv' : 'ndjson'),
            timeColumns,
            outOfOrdernessMs,
            firstLine: lines?.find((line) => line.trim() !== ''),
            syslog: args.syslog,
          }),
      });
      continue;
    }
    tables.push({
      input,
      define: (name) => {
        if (lines === undefined) throw columnsUnseen();
        const { syslog } = args;
        return inferTable({
          name,
          lines,
          ...(format === undefined ? {} : { format }),
          timeColumns,
          outOfOrdernessMs,
          syslog,
        });
      },
    });
  }
  return tables;
}

function formatOf(format: string | undefined): InferredFormat | undefined {
  const found = inferredFormats.find((known) => known === format);
  if (found === undefined && format !== undefined)
    throw new MillraceError(
      'INPUT_INVALID',
      `--format ${format} is not known; it is one of ${inferredFormats.join(', ')}.${binaryFormats.includes(format) ? ` ${binaryAdvice}` : ''}`,
    );
  return found;
}

const sampledLinesMax = 1_000;

/** What comes in by a pipe can be read once only. */
function columnsUnseen(): MillraceError {
  return new MillraceError(
    'INPUT_INVALID',
    "standard input is read once, so its columns cannot be seen beforehand. Give them: --schema 'ip STRING, bytes BIGINT'.",
  );
}

/** Enough of a file to see its columns. */
async function firstLines(path: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const bytes of readInputBytes(path, () => true)) {
    lines.push(...bytes.toString('utf8').split(/\r?\n/));
    if (lines.length > sampledLinesMax) break;
  }
  return lines.slice(0, sampledLinesMax);
}

/** Which files each stream is read from: those that were looked into, and those of tables that the text defines. */
function inputsOf(
  pipeline: Pipeline,
  given: readonly GivenInput[],
  files: ReadonlyMap<string, GivenInput>,
): readonly Input[] {
  return sourcesOf(pipeline.plan).flatMap(({ id }) => {
    const input =
      files.get(id) ??
      given.find(({ table }) => table === undefined || table.toLowerCase().replaceAll('_', '-') === id);
    return (input?.paths ?? []).map((path) => ({ source: id, path }));
  });
}
