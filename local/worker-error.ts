/** What a line that a worker printed says of the error it ends of: one of its log, or the first line of one that nobody caught. */
export function errorInLine(line: string): string | undefined {
  const text = line.startsWith('{') ? loggedError(line) : line;
  if (text === undefined || !/^(Uncaught )?\w*(Error|Exception)\b.*: /.test(text)) return undefined;
  const withoutStack = text.slice(0, /\n\s+at /.exec(text)?.index);
  return withoutStack.replace(/^(Uncaught )?(MillraceError|Error): /, '').trim();
}

function loggedError(line: string): string | undefined {
  try {
    const { level, fields } = JSON.parse(line) as {
      readonly level?: string;
      readonly fields?: { readonly error?: unknown };
    };
    return level === 'ERROR' && typeof fields?.error === 'string' ? fields.error : undefined;
  } catch {
    return undefined;
  }
}
