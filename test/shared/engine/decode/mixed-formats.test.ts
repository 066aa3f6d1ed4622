import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { compile } from '#shared/engine/compile/compile.ts';
import { RecordReader } from '#shared/engine/decode/record-reader.ts';
import type { Decoder } from '#shared/pipeline/decoder.ts';
import { avro, csv, json, jsonDocument, milliseconds, protobuf, stream } from '#shared/pipeline/index.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { descriptors, messageBytes } from '../../../fuzz/binary-formats.ts';
import { pipelineOf, sink } from '../../readings.ts';

function readerOf(decode: readonly [Decoder, ...Decoder[]]): RecordReader {
  const mixed = stream('mixed', { schema: z.unknown(), timestamp: () => 0, outOfOrderness: milliseconds(0), decode });
  const [source] = compile(pipelineOf([mixed.select('rows', { n: () => 1 }).to(sink)])).sources.values();
  return new RecordReader(source as never, decodeTools);
}

/** What pieces of one raw record or file come to. */
function valuesIn(decode: readonly [Decoder, ...Decoder[]], ...pieces: readonly (string | Uint8Array)[]): unknown[] {
  const reader = readerOf(decode);
  const found: unknown[] = [];
  for (const piece of pieces)
    reader.readBytes(typeof piece === 'string' ? Buffer.from(piece) : piece, (taken) => {
      found.push(taken?.kind === 'decoded' ? taken.value : taken?.message);
    });
  return found;
}

const message = protobuf({ descriptors, message: 'shop.Click' });
const datum = avro({ schemas: [{ type: 'string' }], encoding: 'datum' });

describe('of formats of lines and of bytes the first one that recognises them reads them', () => {
  test('where the other one would take any bytes', () => {
    expect(valuesIn([json(), message], '\ufeff\r\n{"a":1}\r\n{"a":2}')).toEqual([{ a: 1 }, { a: 2 }]);
    expect(valuesIn([json(), message], messageBytes({ ip: '{' }))).toEqual([expect.objectContaining({ ip: '{' })]);
    expect(valuesIn([message, json()], '{"a":1}')).toEqual([expect.stringContaining('field')]);
    const words = csv({ columns: { word: 'string' } });
    expect(valuesIn([words, datum], 'tea')).toEqual([{ word: 'tea' }]);
    expect(valuesIn([words, datum], Uint8Array.of(6, 0x74, 0x65, 0x61))).toEqual(['tea']);
  });

  test('where both could', () => {
    const lines = '{"a":1}\n{"a":2}';
    expect(valuesIn([json(), jsonDocument()], lines)).toEqual([{ a: 1 }, { a: 2 }]);
    expect(valuesIn([jsonDocument(), json()], '{\n"a":1}')).toEqual([{ a: 1 }]);
    expect(valuesIn([csv({ columns: { a: 'number', b: 'number' } }), jsonDocument()], '{\n"a":1}')).toEqual([{ a: 1 }]);
  });

  test('to the end of a file, whatever a piece of it begins with', () => {
    expect(valuesIn([json(), message], '{"a":1}\n', 'none\n', '{"a":2}\n')).toEqual([
      { a: 1 },
      'the line is of none of the formats json, protobuf',
      { a: 2 },
    ]);
  });
});
