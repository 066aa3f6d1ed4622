/**
 * Calls `visit` for each line of a text that is not empty, with its index, counted from 0. A line ends with \n or \r\n; the last
 * one may end with the text. Empty lines are skipped, yet counted, so that an index + 1 is an editor's line number.
 */
export function walkLines(text: string, visit: (line: string, index: number) => void): void {
  let index = 0;
  for (let start = 0; start < text.length; index += 1) {
    const found = text.indexOf('\n', start);
    const next = found === -1 ? text.length : found;
    const end = text.charCodeAt(next - 1) === carriageReturn ? next - 1 : next;
    if (end > start) visit(text.slice(start, end), index);
    start = next + 1;
  }
}

const carriageReturn = 0x0d;
