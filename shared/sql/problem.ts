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

/** The name of `known` that `name` was most likely meant to be. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestFar = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const far = distance(name.toLowerCase(), candidate.toLowerCase());
    if (far < bestFar) {
      best = candidate;
      bestFar = far;
    }
  }
  return best;
}

const comparedMax = 64;

/** How many letters must be put, taken, changed or exchanged with the next to make one word the other (optimal string alignment). */
function distance(a: string, b: string): number {
  if (a.length > comparedMax || b.length > comparedMax) return Number.POSITIVE_INFINITY;
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isExchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const exchange = isExchanged ? (before[j - 2] as number) + 1 : change;
      next.push(Math.min(change, exchange, (next[j - 1] as number) + 1, (row[j] as number) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
