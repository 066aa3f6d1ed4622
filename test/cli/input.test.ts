import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { readInputBytes, readInputPieces } from '#cli/input.ts';
import { readRawRecords } from '#cli/raw-records.ts';
import type { Decoder } from '#shared/pipeline/decoder.ts';
import {
  avro,
  count,
  csv,
  dynamodb,
  hours,
  json,
  jsonDocument,
  milliseconds,
  pipeline,
  protobuf,
  stream,
  tumbling,
  vpcFlowLog,
} from '#shared/pipeline/index.ts';
import { clickOf, containerOf, descriptors, framed, messageBytes } from '../fuzz/binary-formats.ts';
import { drawOf } from '../fuzz/targets.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-input-'));
let files = 0;

function fileOf(bytes: string | Uint8Array): string {
  files += 1;
  const path = join(folder, String(files));
  writeFileSync(path, bytes);
  return path;
}

async function textOf(chunks: AsyncIterable<Buffer>): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const bytes of chunks) found.push(bytes.toString());
  return found;
}

const lines = Buffer.from(Array.from({ length: 20_000 }, (_, at) => `line ${at}\n`).join(''));

/** The frame that pzstd puts before each other one: the size of that, in four bytes. */
const skippable = Buffer.from('502a4d180400000063000000', 'hex');

/** An empty member of gzip of so many bytes: as RFC 1952 has it, with a file name as long as that takes. */
function endingAt(length: number): Buffer {
  const member = gzipSync('');
  const head = Buffer.from(member.subarray(0, 10));
  // The flag FNAME.
  head[3] = 0x08;
  const name = Buffer.alloc(length - member.length, 'x');
  name[name.length - 1] = 0;
  return Buffer.concat([head, name, member.subarray(10)]);
}

describe('a file', () => {
  test.each([
    ['plain', lines],
    ['gzip', gzipSync(lines)],
    ['gzip in two members', Buffer.concat([gzipSync(lines.subarray(0, 999)), gzipSync(lines.subarray(999))])],
    [
      'gzip with padding between and behind its members',
      Buffer.concat(
        [lines.subarray(0, 999), lines.subarray(999)].flatMap((part) => [gzipSync(part), Buffer.alloc(100_000)]),
      ),
    ],
    ['gzip with padding of a byte', Buffer.concat([gzipSync(lines), Buffer.of(0)])],
    // The first member ends where a piece of the file does.
    [
      'gzip whose members end with what is read',
      Buffer.concat([endingAt(1 << 16), Buffer.alloc(512), gzipSync(lines)]),
    ],
    ['zstd', zstdCompressSync(lines)],
    [
      'zstd in two frames',
      Buffer.concat([zstdCompressSync(lines.subarray(0, 999)), zstdCompressSync(lines.subarray(999))]),
    ],
    [
      'zstd of pzstd',
      Buffer.concat(
        [lines.subarray(0, 999), lines.subarray(999)].flatMap((part) => [skippable, zstdCompressSync(part)]),
      ),
    ],
  ])('that is %s is read in pieces that end at line ends', async (_, bytes) => {
    const chunks = await textOf(readInputBytes(fileOf(bytes), () => true));
    expect(chunks.length).toBeGreaterThan(1);
    expect(chunks.every((chunk) => chunk.endsWith('\n'))).toBe(true);
    expect(chunks.join('')).toBe(lines.toString());
  });

  test.each([
    ['gzip that is cut short', gzipSync(lines).subarray(0, 500), 'unexpected end of file'],
    [
      'gzip with something behind its padding',
      Buffer.concat([gzipSync(lines), Buffer.alloc(9), lines]),
      'incorrect header check',
    ],
    [
      'gzip that is cut short behind padding',
      Buffer.concat([gzipSync(lines), Buffer.alloc(9), gzipSync(lines).subarray(0, 500)]),
      'unexpected end of file',
    ],
    ['zstd that is cut short', zstdCompressSync(lines).subarray(0, 500), 'unexpected end of file'],
    [
      'zstd with something behind it',
      Buffer.concat([zstdCompressSync(lines), lines]),
      'what follows a frame of zstd is no other one',
    ],
  ])('of %s says so', async (_, bytes, message) => {
    const path = fileOf(bytes);
    await expect(textOf(readInputBytes(path, () => true))).rejects.toThrow(
      `INPUT_UNREADABLE: ${path} cannot be read: ${message}`,
    );
  });

  test.each([
    ['plain', lines],
    ['gzip', gzipSync(lines)],
  ])('that is %s is read in the same memory where it may be', async (_, bytes) => {
    const long = Buffer.concat([bytes, ...(bytes === lines ? [Buffer.from('x'.repeat(700_000)), lines] : [])]);
    const whole = bytes === lines ? long : lines;
    let readBytes = 0;
    const chunks = await textOf(
      readInputPieces(
        fileOf(long),
        () => true,
        (count) => (readBytes += count),
      ),
    );
    expect(chunks.join('')).toBe(whole.toString());
    expect(chunks.every((chunk) => chunk.endsWith('\n'))).toBe(true);
    expect(readBytes).toBe(long.length);
  });

  test('without a line end at its end is read to its end', async () => {
    expect(await textOf(readInputPieces(fileOf('a\nb'), () => true))).toEqual(['a\n', 'b']);
    expect(await textOf(readInputPieces(fileOf('b'), () => true))).toEqual(['b']);
    expect(await textOf(readInputPieces(fileOf(''), () => true))).toEqual([]);
    expect(await textOf(readInputPieces(fileOf(lines), () => false))).toEqual([lines.toString()]);
  });

  test('that comes through a pipe is read once', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const [chunks] = await Promise.all([textOf(readInputPieces(path, () => true)), writeFile(path, lines)]);
    expect(chunks.join('')).toBe(lines.toString());
  });

  test('that is a pipe whose writer stays does not hold up the end of the process', async () => {
    const path = join(folder, 'silent');
    execFileSync('mkfifo', [path]);
    const code = `import { readChunks } from '#cli/input.ts';
      for await (const _ of readChunks(process.argv[1])) setTimeout(() => process.exit(7), 10);`;
    const reader = spawn(process.execPath, ['--input-type=module', '-e', code, path]);
    const writer = await open(path, 'w');
    await writer.write('{"half');
    const [exitCode] = await once(reader, 'exit');
    await writer.close();
    expect(exitCode).toBe(7);
  });

  test('that is not there says so', async () => {
    await expect(textOf(readInputPieces('/none', () => true))).rejects.toThrow('there is no such file');
  });

  test('that is empty holds nothing', async () => {
    expect(await textOf(readInputBytes(fileOf(''), () => false))).toEqual([]);
  });

  test('of a format without lines is read whole', async () => {
    expect(await textOf(readInputBytes(fileOf(gzipSync(lines)), () => false))).toEqual([lines.toString()]);
  });
});

type Decode = Decoder | readonly [Decoder, ...Decoder[]];

function reading(decode: Decode) {
  const output = stream('clicks', { schema: z.unknown(), timestamp: () => 0, outOfOrderness: milliseconds(0), decode })
    .keyBy(() => ({ key: 'k' }))
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
    .aggregate('step', { n: count() })
    .to(dynamodb({ ttl: hours(1) }));
  return pipeline('test', [output]);
}

async function rawOf(decode: Decode, bytes: string | Uint8Array): Promise<readonly (readonly [number, string])[]> {
  const found: (readonly [number, string])[] = [];
  for await (const { data, number } of readRawRecords(reading(decode), { source: 'clicks', path: fileOf(bytes) }))
    found.push([number, Buffer.from(data).toString('latin1')]);
  return found;
}

describe('what is pushed of a file', () => {
  test('of lines is a raw record each, with the number of the line', async () => {
    expect(await rawOf(json(), '1\r\n\n{"a":\n2')).toEqual([
      [1, '1'],
      [3, '{"a":'],
      [4, '2'],
    ]);
  });

  test('with a header is a raw record each, with the header', async () => {
    const table = csv({ columns: { b: 'number' }, header: true });
    expect(await rawOf(table, 'a,b\n1,2\n1,x\n')).toEqual([
      [2, 'a,b\n1,2'],
      [3, 'a,b\n1,x'],
    ]);
  });

  test.each([
    ['a header', csv({ columns: { b: 'number' } }), '\ufeffb\r\n\r\n1\r\nx\r\n1\n', ['3:1', '4:x', '5:1']],
    ['one that may be a header', [json(), csv({ columns: { b: 'number' } })], '{"b":1}\nb\n1', ['1:{"b":1}', '3:1']],
    ['NODATA', vpcFlowLog({ fields: ['bytes', 'log-status'] }), '1 OK\n- NODATA\n1 OK', ['1:1 OK', '3:1 OK']],
  ] as const)('of lines leaves out %s, which holds no record', async (_, decode, text, expected) => {
    expect((await rawOf(decode, text)).map(([number, data]) => `${number}:${data}`)).toEqual(expected);
  });

  test.each([
    ['lines behind a header', csv({ columns: { b: 'number' }, header: true }), 'b\n1\n1\n2\n1\n1', ['b\n1', 'b\n2']],
    ['a list', jsonDocument({ records: ['of'] }), '{"of":[1,1,2,1,1]}', ['{"of":[1]}', '{"of":[2]}']],
  ])('of %s that are equal is a raw record each', async (_, decode, text, [one, two]) => {
    expect((await rawOf(decode, text)).map(([, data]) => data)).toEqual([one, one, two, one, one]);
  });

  test('of Avro is a raw record for each block, which can be read by itself', async () => {
    const clicks = [1, 2, 3].map((seed) => clickOf(drawOf(seed)));
    const blocks = [clicks.slice(0, 2), clicks.slice(2)];
    const whole = blocks.map((block) => containerOf([block]).toString('latin1'));
    expect(await rawOf(avro(), containerOf(blocks))).toEqual([
      [1, whole[0]],
      [3, whole[1]],
    ]);
  });

  test('of messages behind their lengths is a raw record each', async () => {
    const frames = ['a', 'b'].map((ip) => framed(messageBytes({ ip })));
    const decode = protobuf({ descriptors, message: 'shop.Click', framing: 'delimited' });
    expect(await rawOf(decode, Buffer.concat(frames))).toEqual(
      frames.map((frame, at) => [at + 1, frame.toString('latin1')]),
    );
  });
});
