import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { splitLines } from '#local/lambda/lines.ts';

test('a line may come in pieces', async () => {
  expect(await linesOf(['on', 'e\ntw', 'o\n'])).toEqual(['one', 'two']);
});

test('a last line without an end comes with the end of the stream', async () => {
  expect(await linesOf(['one\ntwo'])).toEqual(['one', 'two']);
});

test('a character cut in two is put together', async () => {
  const bytes = Buffer.from('é\n');
  expect(await linesOf([bytes.subarray(0, 1), bytes.subarray(1)])).toEqual(['é']);
});

async function linesOf(chunks: readonly (string | Uint8Array)[]): Promise<readonly string[]> {
  const stream = new PassThrough();
  const lines: string[] = [];
  splitLines(stream, (text) => lines.push(text));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  await new Promise((resolve) => stream.on('end', resolve));
  return lines;
}
