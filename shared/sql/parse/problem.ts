import { MillraceError } from '#shared/schemas/error.ts';

/** A stretch of the text: [start, end), in characters from 0. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What is wrong with a text, and where. It becomes a `MillraceError` where the text is known. */
export class SqlProblem extends Error {
  override readonly name = 'SqlProblem';
  readonly at: Span;

  /** `message` says what is wrong with what stands at `at`, what is supported, and what to write. */
  constructor(at: Span, message: string) {
    super(message);
    this.at = at;
  }
}

/** Runs `work` on `text`; a problem comes out as `SQL_INVALID` with line, column and a caret under the place. */
export function withPositions<T>(text: string, work: () => T, path?: string): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof SqlProblem)
      throw new MillraceError(
        'SQL_INVALID',
        `${path === undefined ? '' : `${path}, `}${describePlace(text, error.at)}: ${error.message}\n${draw(text, error.at)}`,
      );
    throw error;
  }
}

/** Lines and columns count from 1. */
function describePlace(text: string, { start }: Span): string {
  const { line, column } = placeOf(text, start);
  return `line ${line}, column ${column}`;
}

function placeOf(
  text: string,
  offset: number,
): { readonly line: number; readonly column: number; readonly from: number } {
  const before = text.slice(0, offset);
  const from = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - from + 1, from };
}

const lineCharactersMax = 120;

/**
 *     SELECT ip, SUMM(bytes) FROM requests
 *                ^^^^
 */
function draw(text: string, { start, end }: Span): string {
  const { from } = placeOf(text, start);
  const lineEnd = text.indexOf('\n', from);
  const whole = text.slice(from, lineEnd === -1 ? undefined : lineEnd).replaceAll(/[\t\r]/g, ' ');
  // Of a very long line the part around the place is shown.
  const column = start - from;
  const cut = column > lineCharactersMax - 20 ? column - (lineCharactersMax - 40) : 0;
  const shown = whole.slice(cut, cut + lineCharactersMax);
  const width = Math.max(1, Math.min(end, from + whole.length) - start, 1);
  const carets = '^'.repeat(Math.min(width, Math.max(1, shown.length - (column - cut))));
  return `  ${shown}\n  ${' '.repeat(column - cut)}${carets}`;
}

/** From the beginning of one stretch to the end of another. */
export function spanOf(from: Span, to: Span): Span {
  return { start: from.start, end: to.end };
}
