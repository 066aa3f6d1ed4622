/** Calls `visit` for each line of a text that is not empty, with its number from 0; `\n` and `\r\n` end a line. */
export function walkLines(text: string, visit: (line: string, index: number) => void): void {
  let index = 0;
  for (let start = 0; start < text.length; index += 1) {
    const found = text.indexOf('\n', start);
    const next = found === -1 ? text.length : found;
    const end = next > start && text.charCodeAt(next - 1) === 13 ? next - 1 : next;
    if (end > start) visit(text.slice(start, end), index);
    start = next + 1;
  }
}
