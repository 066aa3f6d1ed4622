import { compile } from '#shared/engine/compile/compile.ts';
import { RecordReader, type VisitRecord } from '#shared/engine/decode/record-reader.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { type Input, readInputBytes } from './input.ts';

/** A raw record to be put, and the number of its line; for formats without lines, of its first record. From 1. */
export interface NumberedRecord {
  readonly data: Uint8Array;
  readonly number: number;
}

/**
 * Cuts a file into raw records: a line each, or the lines of a record that spans several, or what a binary format lets stand alone; lines
 * without a record are left out, so that none is waited for. `onRead` is told how many bytes of the file were read.
 */
export async function* readRawRecords(
  pipeline: Pipeline,
  input: Input,
  onRead?: (bytes: number) => void,
): AsyncGenerator<NumberedRecord> {
  const source = compile(pipeline).sources.get(input.source);
  if (source === undefined)
    throw new MillraceError('INPUT_INVALID', `pipeline ${pipeline.id} has no source ${input.source}.`);
  const reader = new RecordReader(source, decodeTools);
  reader.begin({}, { isFile: true });
  // Of other formats a line may be none, such as a header, or need those before it.
  const isRecordEach = source.decoders.every((decoder) => 'isJson' in decoder && decoder.isJson === true);
  let number = 0;
  for await (const bytes of readInputBytes(input.path, (start) => reader.readsLines(start), onRead)) {
    if (isRecordEach) {
      for (const data of linesOf(bytes)) {
        number += 1;
        if (data.length > 0) yield { data, number };
      }
    } else yield* recordsIn(reader, (visit) => reader.readBytes(bytes, visit));
  }
  yield* recordsIn(reader, (visit) => reader.end(visit));
}

/** All lines, empty ones too, so that they can be numbered. */
function* linesOf(bytes: Buffer): Iterable<Uint8Array> {
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(10, start);
    const end = found === -1 ? bytes.length : found;
    yield bytes.subarray(start, end > start && bytes[end - 1] === 13 ? end - 1 : end);
    start = end + 1;
  }
}

/** What stands alone may hold several records, which then have one payload: the same bytes. Equal texts are records of their own. */
function recordsIn(reader: RecordReader, read: (visit: VisitRecord) => void): readonly NumberedRecord[] {
  const records: NumberedRecord[] = [];
  let last: Uint8Array | undefined;
  read((taken) => {
    const { payload, line } = reader;
    if (taken === undefined || payload === last) return;
    last = typeof payload === 'string' ? undefined : payload;
    records.push({ data: typeof payload === 'string' ? Buffer.from(payload) : payload, number: line });
  });
  return records;
}
