import { Buffer } from 'node:buffer';
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import { RecordReader } from '#shared/engine/decode/record-reader.ts';
import { spanningCharactersMax } from '#shared/engine/decode/spanning-lines.ts';
import type { Decoder } from '#shared/pipeline/decoder.ts';
import { csv, json } from '#shared/pipeline/index.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { sourceOf } from '../../../fuzz/decoders.ts';
import { drawOf } from '../../../fuzz/targets.ts';

const notes = csv({ columns: { name: 'string', note: 'string', n: 'number' } });

/** Files are read piece by piece into the same memory. */
const memory = Buffer.alloc(2 * spanningCharactersMax);

/** What a file comes to that is read in pieces: the record, or why there is none, behind its index and its line. */
function read(decode: Decoder | readonly [Decoder, ...Decoder[]], ...pieces: readonly (string | Uint8Array)[]) {
  const reader = new RecordReader(sourceOf(decode), decodeTools);
  return readPieces(reader, pieces);
}

function readPieces(reader: RecordReader, pieces: readonly (string | Uint8Array)[]) {
  const found: { index: number; line: number; payload: string | Uint8Array; value?: unknown; rejected?: string }[] = [];
  const visit: Parameters<RecordReader['end']>[0] = (taken) => {
    if (taken === undefined) return;
    const { index, line, payload } = reader;
    const at = { index, line, payload: typeof payload === 'string' ? payload : Buffer.from(payload) };
    found.push(taken.kind === 'decoded' ? { ...at, value: taken.value } : { ...at, rejected: taken.message });
  };
  reader.begin({}, { isFile: true });
  for (const piece of pieces) {
    const bytes = Buffer.from(piece as Uint8Array);
    bytes.copy(memory);
    reader.readBytes(memory.subarray(0, bytes.length), visit);
  }
  reader.end(visit);
  return found;
}

describe('a field of CSV that spans lines', () => {
  test('is one record, at its first line', () => {
    expect(read(notes, 'a,"x\ny,1,2\r\n\r\nz",3\n\nb,c,4')).toEqual([
      { index: 0, line: 1, payload: 'a,"x\ny,1,2\r\n\r\nz",3', value: { name: 'a', note: 'x\ny,1,2\r\n\r\nz', n: 3 } },
      { index: 1, line: 6, payload: 'b,c,4', value: { name: 'b', note: 'c', n: 4 } },
    ]);
  });

  test('goes on in the next piece of its file', () => {
    const whole = read(notes, 'a,"x\ny,1,2\nz",3\n"b\nb","c\n",4\n');
    expect(whole.map(({ line }) => line)).toEqual([1, 4]);
    expect(read(notes, 'a,"x\n', 'y,1,2\n', 'z",3\n"b\n', 'b","c\n', '",4\n')).toEqual(whole);
  });

  test('stands alone behind its header', () => {
    const headed = csv({ columns: { note: 'string', n: 'number' }, header: true });
    const [found] = read(headed, '"a\nb",n,note\n', 'x,1,"two\nlines"\n');
    expect(found).toMatchObject({ line: 3, value: { n: 1, note: 'two\nlines' } });
    const payload = '"a\nb",n,note\nx,1,"two\nlines"';
    expect(found?.payload).toBe(payload);
    expect(read(headed, payload)).toMatchObject([{ value: found?.value }]);
  });

  test('beside JSON holds lines of JSON', () => {
    const found = read([json(), notes], '{"a":1}\na,"x\n{}\n', '[1]\n",1\n{"c":3}');
    expect(found.map(({ line, value }) => [line, value])).toEqual([
      [1, { a: 1 }],
      [2, { name: 'a', note: 'x\n{}\n[1]\n', n: 1 }],
      [6, { c: 3 }],
    ]);
  });

  test('that is wrong says which lines it took', () => {
    expect(read(notes, 'a,"x\ny" z,3\nb,c,4')).toMatchObject([
      { line: 1, rejected: expect.stringMatching(/^column note .* \(the record is lines 1 to 2\)$/) },
      { line: 3, value: { name: 'b' } },
    ]);
  });

  test('of which a line is no text is rejected whole', () => {
    const bytes = Buffer.from('a,"x\n\xe9,1,2\nz",3\nb,c,4\n', 'latin1');
    const whole = read(notes, bytes);
    expect(whole).toMatchObject([
      { line: 1, rejected: 'the line is not UTF-8 text: byte 6 is 0xe9 (the record is lines 1 to 3)' },
      { line: 4, index: 1, value: { name: 'b' } },
    ]);
    expect(Buffer.from(whole[0]?.payload as Uint8Array).toString('latin1')).toBe('a,"x\n\xe9,1,2\nz",3');
    expect(read(notes, bytes.subarray(0, 5), bytes.subarray(5))).toEqual(whole);
    // The separator is no ASCII, and what is no text stands before it.
    const lines = Buffer.concat([Buffer.of(0xe9), Buffer.from('§"x\ny§z§1\n"§3\n')]);
    const other = csv({ columns: { name: 'string', note: 'string', n: 'number' }, separator: '§' });
    expect(read(other, lines).map(({ line, rejected }) => [line, rejected])).toEqual([
      [1, 'the line is not UTF-8 text: byte 1 is 0xe9 (the record is lines 1 to 3)'],
    ]);
  });
});

describe('a quote that is never closed', () => {
  test('is one rejection, which says where it began', () => {
    expect(read(notes, 'b,c,4\na,"x\n"" y,1,2\nz,1,3\n')).toEqual([
      expect.objectContaining({ line: 1 }),
      {
        index: 1,
        line: 2,
        payload: 'a,"x\n"" y,1,2\nz,1,3',
        rejected:
          'line 2, character 3: a quote opens a field, and none closes it up to the end, line 4; a record must be put whole',
      },
    ]);
    expect(read(notes, 'a,"x\ny","z\n')[0]?.rejected).toContain('line 2, character 4: a quote opens');
  });

  test('takes no more than a record may span', () => {
    const line = `${'x'.repeat(99)}\n`;
    const lines = Math.ceil((spanningCharactersMax - 5) / line.length);
    const rest = 'b,c,4\n';
    const found = read(notes, `a,"x\n${line.repeat(lines)}${rest}`);
    expect(found).toMatchObject([
      {
        line: 1,
        rejected: `line 1, character 3: a quote opens a field, and none closes it in the 1048576 characters that a record may span; it is rejected up to line ${lines + 1}`,
      },
      { line: lines + 2, value: { name: 'b' } },
    ]);
    const pieces = Array.from({ length: lines }, () => line);
    expect(read(notes, 'a,"x\n', ...pieces, rest)).toEqual(found);
  });

  test('ends with its raw record', () => {
    const reader = new RecordReader(sourceOf(notes), decodeTools);
    const taken: unknown[] = [];
    for (const text of ['a,"x', 'y,1,2']) {
      reader.begin({});
      reader.readBytes(Buffer.from(text), (one) => taken.push(one?.kind));
    }
    expect(taken).toEqual(['rejected', 'decoded']);
  });
});

test('the records of any lines are those that another program reads, in whatever pieces they come', () => {
  const texts = ['a', ',', '"', '""', '\n', '\r\n', '","', ',"', '",', 'é', '1'];
  const columns = { a: 'string', b: 'string' } as const;
  const reader = new RecordReader(sourceOf(csv({ columns })), decodeTools);
  let spanning = 0;
  for (let seed = 0; seed < 3_000; seed += 1) {
    const draw = drawOf(seed);
    const field = (): string => Array.from({ length: draw.below(6) }, () => draw.pick(texts)).join('');
    const rows = Array.from({ length: draw.below(5) }, () => [`x${field()}`, field()]);
    const isGood = draw.chance(0.5);
    const written = rows.map((row) =>
      row.map((text) => (isGood && /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(','),
    );
    let bytes = Buffer.from(written.join('\n'));
    if (draw.chance(0.2) && bytes.length > 0) bytes[draw.below(bytes.length)] = 0xff;
    else if (isGood) {
      const found = readPieces(reader, [bytes]);
      expect(found.map(({ value }) => value)).toEqual(parse(bytes, { columns: ['a', 'b'] }));
      spanning += rows.flat().filter((text) => text.includes('\n')).length;
    }
    const whole = readPieces(reader, [bytes]);
    const pieces: Buffer[] = [];
    while (bytes.length > 0) {
      const end = bytes.indexOf('\n', draw.below(bytes.length)) + 1 || bytes.length;
      pieces.push(bytes.subarray(0, end));
      bytes = bytes.subarray(end);
    }
    expect(readPieces(reader, pieces)).toEqual(whole);
  }
  expect(spanning).toBeGreaterThan(1_000);
});
