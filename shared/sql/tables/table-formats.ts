import type { Decoder, LineDecoder } from '#shared/pipeline/decoder.ts';
import { combinedLog, commonLog } from '#shared/pipeline/decoders/combined-log.ts';
import { csv } from '#shared/pipeline/decoders/csv.ts';
import { json } from '#shared/pipeline/decoders/json.ts';
import { jsonDocument } from '#shared/pipeline/decoders/json-document.ts';
import { type SyslogOptions, syslog } from '#shared/pipeline/decoders/syslog.ts';
import { vpcFlowLog } from '#shared/pipeline/decoders/vpc-flow-log.ts';

/** What a format needs to know of its table. */
interface TableShape {
  readonly columns: readonly string[];
  readonly separator: string | undefined;
  /** Whether the first line of each file names the columns, in its own order. */
  readonly header?: boolean;
  readonly syslog?: SyslogOptions | undefined;
}

/** The formats that `'format'` and `--format` name. Those of binary schemas, Avro and Protocol Buffers, are defined in TypeScript. */
export const tableFormats = {
  json: json,
  ndjson: json,
  'json-document': () => jsonDocument(),
  csv: ({ columns, separator, header = false }: TableShape) =>
    csv({
      // Values are read by the types of the columns, and an empty one is NULL.
      columns: Object.fromEntries(columns.map((column) => [column, 'string' as const])),
      ...(separator === undefined ? {} : { separator }),
      header,
    }),
  combined: combinedLog,
  common: commonLog,
  'vpc-flow-log': () => vpcFlowLog(),
  syslog: (shape?: Pick<TableShape, 'syslog'>) => syslog(shape?.syslog),
} as const satisfies Readonly<Record<string, (shape: TableShape) => Decoder>>;

/** What to do with records whose schema is not a table's columns. */
export const binaryAdvice =
  'Records of Avro and Protocol Buffers are read by a stream of TypeScript with decode: avro() or protobuf(…), which a query in TypeScript names in its FROM (docs/language/sql.md).';
export const binaryFormats: readonly string[] = ['avro', 'protobuf'];

export type TableFormat = keyof typeof tableFormats;
export const tableFormatNames = Object.keys(tableFormats) as readonly TableFormat[];

/** Logs whose columns are those of their lines. */
export const logFormats = ['combined', 'common', 'vpc-flow-log', 'syslog'] as const satisfies readonly TableFormat[];
export type LogFormat = (typeof logFormats)[number];

/** The log that a line is of; undefined when it is none. */
export function recogniseLog(lines: readonly string[]): LogFormat | undefined {
  return logFormats.find((format) => {
    // Of what year the lines are is asked later.
    const decoder: LineDecoder = tableFormats[format]({ syslog: { year: 2000 } });
    return lines.some((line) => decoder.recognises(line) && recordOf(decoder, line) !== undefined);
  });
}

/** The record of a line, or undefined when it is none. */
export function recordOf(decoder: Pick<LineDecoder, 'decodeLine'>, line: string): unknown {
  try {
    return decoder.decodeLine(line);
  } catch {
    // It is rejected, with its reason, when it is read.
    return undefined;
  }
}
