import { deepStrictEqual } from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type CompiledSource, compile } from '#shared/engine/compile/compile.ts';
import { RecordReader, type VisitRecord } from '#shared/engine/decode/record-reader.ts';
import type { Decoder } from '#shared/pipeline/decoder.ts';
import {
  combinedLog,
  commonLog,
  count,
  csv,
  dynamodb,
  hours,
  json,
  jsonDocument,
  milliseconds,
  pipeline,
  stream,
  syslog,
  tumbling,
  vpcFlowLog,
} from '#shared/pipeline/index.ts';
import { type ReadPath, readingPaths } from '#shared/pipeline/reads.ts';
import { deaggregate } from '#shared/runtime/deaggregate.ts';
import { compressionOf, decodeTools, decompress } from '#shared/runtime/decode-tools.ts';
import { aggregate, sealed } from '../shared/runtime/aggregated.ts';
import { binaryFormats } from './binary-formats.ts';
import { lineFormats, textOf } from './line-formats.ts';
import type { Draw, FuzzTarget } from './targets.ts';

/** Bytes of a format, and the values that they must give, where that is known. */
export interface Sample {
  readonly bytes: Uint8Array;
  readonly values?: readonly unknown[];
}

export interface FuzzFormat {
  readonly name: string;
  readonly decoder: Decoder;
  /** A raw record as a producer would make it. */
  readonly make: (draw: Draw) => Sample;
  /** What another reader of the format makes of one message: what we take of any bytes, it must take as the same. */
  readonly judge?: (bytes: Uint8Array) => unknown;
}

const anything: StandardSchemaV1<unknown, unknown> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) },
};

/** A source of whose records `read` is needed, by default all. It takes every value, so that only decoding rejects. */
export function sourceOf(
  decode: Decoder | readonly [Decoder, ...Decoder[]],
  schema = anything,
  read: readonly ReadPath[] = [[]],
): CompiledSource {
  const timestamp = readingPaths(() => 0, read);
  const output = stream('lines', { schema, timestamp, outOfOrderness: milliseconds(0), decode })
    .keyBy(() => ({ key: 'k' }))
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
    .aggregate('step', { n: count() })
    .to(dynamodb({ ttl: hours(1) }));
  const [source] = compile(pipeline('fuzz', [output])).sources.values();
  return source as CompiledSource;
}

/** What a raw record comes to: its values, the messages of its rejections, and the payloads of both. */
export interface Found {
  readonly index: number;
  readonly value?: unknown;
  readonly rejected?: string;
  readonly payload: string | Uint8Array;
}

export function readAll(reader: RecordReader, bytes: Uint8Array, arrivalMs?: number): readonly Found[] {
  const found: Found[] = [];
  reader.begin(arrivalMs === undefined ? {} : { arrivalMs });
  reader.readBytes(bytes, findingIn(reader, found));
  return found;
}

/** The same of lines that are texts, each given by itself. */
export function readEach(reader: RecordReader, lines: readonly string[]): readonly Found[] {
  const found: Found[] = [];
  reader.begin({});
  for (const line of lines) reader.readLine(line, findingIn(reader, found));
  return found;
}

function findingIn(reader: RecordReader, found: Found[]): VisitRecord {
  return (taken) => {
    if (taken === undefined) return;
    const at = { index: reader.index, payload: reader.payload };
    found.push(taken.kind === 'decoded' ? { ...at, value: taken.value } : { ...at, rejected: taken.message });
  };
}

const formats: readonly FuzzFormat[] = [...lineFormats, ...binaryFormats];

/** Each format alone, then all of them behind compression and beside each other. */
export const decoderTargets: readonly FuzzTarget[] = [
  ...formats.map((format): FuzzTarget => {
    const reader = new RecordReader(sourceOf(format.decoder), decodeTools);
    return { name: format.name, group: 'decoders', tryOne: (draw) => tryFormat(draw, reader, format) };
  }),
  { name: 'mixed', group: 'decoders', tryOne: tryMixed },
  { name: 'compressed', group: 'decoders', tryOne: tryCompressed },
  { name: 'aggregated', group: 'decoders', tryOne: tryAggregated },
];

const arrivalMs = Date.UTC(2026, 10, 21);

function tryFormat(draw: Draw, reader: RecordReader, { make, judge }: FuzzFormat): void {
  const { bytes, values } = make(draw);
  if (draw.chance(0.2)) {
    const found = readAll(reader, bytes, arrivalMs);
    const wrong = found.find(({ rejected }) => rejected !== undefined);
    if (wrong !== undefined) throw new Error(`a good record is rejected: ${wrong.rejected}`);
    if (values !== undefined)
      deepStrictEqual(
        found.map(({ value }) => value),
        values,
      );
    return;
  }
  const changed = mutate(draw, bytes);
  check(reader, changed);
  if (judge === undefined) return;
  for (const one of readAll(reader, changed, arrivalMs))
    if (one.rejected === undefined) deepStrictEqual(one.value, judge(changed));
}

/** Nothing crashes; what is rejected says why and shows its bytes; each has a place of its own; and again it is the same. */
function check(reader: RecordReader, bytes: Uint8Array): void {
  const found = readAll(reader, bytes, arrivalMs);
  let last = -1;
  for (const { index, rejected, payload } of found) {
    if (index <= last) throw new Error(`the place ${index} comes behind ${last}`);
    last = index;
    if (rejected === '') throw new Error('a rejection says nothing');
    if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) throw new Error('a record without payload');
  }
  deepStrictEqual(readAll(reader, bytes, arrivalMs), found);
}

const mixed = new RecordReader(
  sourceOf([
    json(),
    jsonDocument({ records: [] }),
    combinedLog(),
    commonLog(),
    syslog(),
    vpcFlowLog(),
    csv({ columns: { ip: 'string', ts: 'number' } }),
    ...binaryFormats.filter(({ name }) => name === 'avro-container').map(({ decoder }) => decoder),
  ]),
  decodeTools,
);

function tryMixed(draw: Draw): void {
  const bytes = draw.pick(formats).make(draw).bytes;
  check(mixed, draw.chance(0.3) ? bytes : mutate(draw, bytes));
}

function tryCompressed(draw: Draw): void {
  const bytes = draw.pick(formats).make(draw).bytes;
  const packed = draw.chance(0.5) ? gzipSync(bytes, { level: 1 }) : zstdCompressSync(bytes);
  const kind = compressionOf(packed);
  if (kind === undefined) throw new Error('compressed bytes are not seen to be');
  deepStrictEqual(Buffer.from(decompress(packed, { kind, bytesMax: 1 << 20 }) as Uint8Array), Buffer.from(bytes));
  const changed = mutate(draw, packed);
  const changedKind = compressionOf(changed);
  if (changedKind === undefined) return;
  const out = decompress(changed, { kind: changedKind, bytesMax: 1 << 16 });
  if (out instanceof Uint8Array && out.length > 1 << 16) throw new Error('more was decompressed than allowed');
  if (out instanceof Uint8Array) check(mixed, out);
}

/** An aggregate of the Kinesis Producer Library gives its records; a damaged one, with a right checksum too, is read without a crash. */
function tryAggregated(draw: Draw): void {
  const records = Array.from({ length: 1 + draw.below(4) }, () => ({
    // Amazon's aggregator mistakes a key that is a number.
    partitionKey: `k${textOf(draw)}`,
    bytes: Buffer.from(textOf(draw)),
  }));
  const bytes = aggregate(records);
  const found = deaggregate(bytes);
  deepStrictEqual(
    Array.isArray(found) && found.map((one) => [one.partitionKey, Buffer.from(one.bytes).toString()]),
    records.map((one) => [one.partitionKey, one.bytes.toString()]),
  );
  deaggregate(mutate(draw, bytes));
  deaggregate(sealed(mutate(draw, bytes.subarray(4, -16))));
}

const interesting = [
  0, 1, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x2d, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0x7f, 0x80, 0xc3, 0xef, 0xff,
];

/** A few changes: bytes changed, dropped, repeated, moved in from elsewhere, or nothing but noise. */
export function mutate(draw: Draw, bytes: Uint8Array): Uint8Array {
  if (draw.chance(0.02)) return Uint8Array.from({ length: draw.below(40) }, () => draw.below(256));
  let changed = Buffer.from(bytes);
  for (let times = 1 + draw.below(4); times > 0; times -= 1) {
    const at = draw.below(changed.length + 1);
    const length = draw.chance(0.7) ? 1 : draw.below(12);
    const rest = changed.subarray(Math.min(changed.length, at + length));
    switch (draw.below(6)) {
      case 0:
        changed = Buffer.concat([changed.subarray(0, at), Buffer.of(draw.pick(interesting)), rest]);
        break;
      case 1:
        changed = Buffer.concat([changed.subarray(0, at), Buffer.of(draw.below(256)), changed.subarray(at)]);
        break;
      case 2:
        changed = Buffer.concat([changed.subarray(0, at), rest]);
        break;
      case 3:
        changed = Buffer.concat([changed.subarray(0, at + length), changed.subarray(at)]);
        break;
      case 4:
        changed = changed.subarray(0, at);
        break;
      case 5:
        if (changed.length > 0 && at < changed.length) changed[at] = (changed[at] as number) ^ (1 << draw.below(8));
        break;
    }
  }
  return changed;
}
