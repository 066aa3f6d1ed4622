import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { readRawRecords } from '#cli/raw-records.ts';
import type { Decoder } from '#shared/pipeline/decoder.ts';
import { csv, milliseconds, stream, syslog } from '#shared/pipeline/index.ts';
import { pipelineOf, sink } from '../shared/readings.ts';

/** The raw records that a file becomes, with the numbers of their lines. */
async function rawRecordsOf(decode: Decoder, text: string): Promise<readonly { number: number; text: string }[]> {
  const options = { schema: z.unknown(), timestamp: () => 0, outOfOrderness: milliseconds(0), decode };
  const pipeline = pipelineOf([
    stream('notes', options)
      .select('rows', { n: () => 1 })
      .to(sink),
  ]);
  const path = join(mkdtempSync(join(tmpdir(), 'millrace-raw-')), 'notes');
  writeFileSync(path, text);
  const found: { number: number; text: string }[] = [];
  for await (const { data, number } of readRawRecords(pipeline, { source: 'notes', path }))
    found.push({ number, text: Buffer.from(data).toString() });
  return found;
}

test('a record of CSV that spans lines is one raw record, wherever the file is cut to be read', async () => {
  const notes = csv({ columns: { name: 'string', note: 'string' }, header: true });
  const records = Array.from(
    { length: 4_000 },
    (_, index) => `${index},"first\r\n${index},second\n\n${'x'.repeat(index % 100)}"`,
  );
  const found = await rawRecordsOf(notes, `name,note\n${records.join('\n')}\n"never,\nclosed`);
  expect(found).toEqual([
    ...records.map((text, index) => ({ number: 2 + 4 * index, text: `name,note\n${text}` })),
    // What is wrong is put too: it is among the dead letters then.
    { number: 16_002, text: 'name,note\n"never,\nclosed' },
  ]);
});

test('a line of syslog without a year is put with the one that its file gives it', async () => {
  const lines = 'Dec 31 23:59:59 web su: a\nnone\n<34>Jan  1 00:00:01 web su: b\n';
  expect(await rawRecordsOf(syslog({ year: 2025 }), lines)).toEqual([
    { number: 1, text: '2025-12-31T23:59:59.000Z web su: a' },
    { number: 2, text: 'none' },
    { number: 3, text: '<34>2026-01-01T00:00:01.000Z web su: b' },
  ]);
  // Without one it is that of its arrival, line by line.
  expect((await rawRecordsOf(syslog(), lines)).map(({ text }) => text)).toEqual(lines.trimEnd().split('\n'));
});
