import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { readRawRecords } from '#cli/raw-records.ts';
import { csv, milliseconds, stream } from '#shared/pipeline/index.ts';
import { pipelineOf, sink } from '../shared/readings.ts';

const notes = stream('notes', {
  schema: z.unknown(),
  timestamp: () => 0,
  outOfOrderness: milliseconds(0),
  decode: csv({ columns: { name: 'string', note: 'string' }, header: true }),
});
const pipeline = pipelineOf([notes.select('rows', { n: () => 1 }).to(sink)]);

test('a record of CSV that spans lines is one raw record, wherever the file is cut to be read', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'millrace-raw-')), 'notes.csv');
  const records = Array.from(
    { length: 4_000 },
    (_, index) => `${index},"first\r\n${index},second\n\n${'x'.repeat(index % 100)}"`,
  );
  writeFileSync(path, `name,note\n${records.join('\n')}\n"never,\nclosed`);
  const found: { number: number; text: string }[] = [];
  for await (const { data, number } of readRawRecords(pipeline, { source: 'notes', path }))
    found.push({ number, text: Buffer.from(data).toString() });
  expect(found).toEqual([
    ...records.map((text, index) => ({ number: 2 + 4 * index, text: `name,note\n${text}` })),
    // What is wrong is put too: it is among the dead letters then.
    { number: 16_002, text: 'name,note\n"never,\nclosed' },
  ]);
});
