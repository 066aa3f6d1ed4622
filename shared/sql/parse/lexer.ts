import { otherSigns } from './other-clauses.ts';
import { type Span, SqlProblem } from './problem.ts';

/** A word, a literal or a sign of a text. */
export interface Token extends Span {
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'sign' | 'end';
  /** A string's or a quoted name's content; otherwise as it is written. */
  readonly text: string;
  /** A word in upper case, to be compared with keywords; a sign as it is. Empty for what is no keyword whatever it says. */
  readonly word: string;
}

/** A text larger than this is no query that somebody wrote. */
const sqlCharactersMax = 200_000;

const signs = [
  '<>',
  '!=',
  '<=',
  '>=',
  '||',
  '::',
  '=>',
  '//',
  '(',
  ')',
  ',',
  ';',
  '.',
  '+',
  '-',
  '*',
  '/',
  '%',
  '=',
  '<',
  '>',
  '[',
  ']',
];

/** The tokens of a text, ending with one of kind `end`. Comments are `-- …` and `/* … *\/`. */
export function tokenize(text: string): readonly Token[] {
  if (text.length > sqlCharactersMax)
    throw new SqlProblem(
      { start: 0, end: 1 },
      `the text has ${text.length} characters; at most ${sqlCharactersMax} are read. Split it into several pipelines.`,
    );
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at = skipBlank(text, at);
    const token = at >= text.length ? endToken(text.length) : readToken(text, at);
    tokens.push(token);
    if (token.kind === 'end') return tokens;
    at = token.end;
  }
}

function endToken(at: number): Token {
  return { kind: 'end', text: '', word: '', start: at, end: at };
}

const blank = /(?:\s+|--[^\n]*|\/\*[\s\S]*?\*\/)*/y;

function skipBlank(text: string, at: number): number {
  blank.lastIndex = at;
  blank.test(text);
  const next = Math.max(at, blank.lastIndex);
  if (text.startsWith('/*', next))
    throw new SqlProblem({ start: next, end: next + 2 }, 'a comment begins here and does not end. Close it with */.');
  return next;
}

const word = /[\p{L}_$][\p{L}\p{N}_$]*/uy;
const number = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;

function readToken(text: string, start: number): Token {
  const first = text[start] as string;
  if (first === "'") return readQuoted(text, start, 'string');
  if (first === '"' || first === '`') return readQuoted(text, start, 'quoted');
  word.lastIndex = start;
  const [foundWord] = word.exec(text) ?? [];
  if (foundWord !== undefined) return tokenOf('word', start, foundWord, foundWord.toUpperCase());
  number.lastIndex = start;
  const [foundNumber] = number.exec(text) ?? [];
  if (foundNumber !== undefined) {
    const end = start + foundNumber.length;
    if (/[\p{L}_]/u.test(text[end] ?? ''))
      throw new SqlProblem(
        { start, end: end + 1 },
        'a number ends where a letter begins. Put a blank between them, or quote a name that begins with a digit: "2nd".',
      );
    return tokenOf('number', start, foundNumber, '');
  }
  const sign = signs.find((candidate) => text.startsWith(candidate, start));
  if (sign !== undefined) return tokenOf('sign', start, sign, sign);
  const character = String.fromCodePoint(text.codePointAt(start) as number);
  const advice = otherSigns[character];
  throw new SqlProblem(
    { start, end: start + character.length },
    `${JSON.stringify(character)} is no sign of SQL.${advice === undefined ? '' : ` ${advice}`} Texts stand in '…', names with other signs than letters, digits and _ in "…".`,
  );
}

function tokenOf(kind: Token['kind'], start: number, text: string, word: string): Token {
  return { kind, text, word, start, end: start + text.length };
}

/** A quote within is written twice. */
function readQuoted(text: string, start: number, kind: 'string' | 'quoted'): Token {
  const quote = text[start] as string;
  let content = '';
  for (let at = start + 1; ; ) {
    const end = text.indexOf(quote, at);
    if (end === -1)
      throw new SqlProblem(
        { start, end: start + 1 },
        `${kind === 'string' ? 'a text' : 'a name'} begins here and does not end. Close it with ${quote}; a ${quote} within is written twice.`,
      );
    content += text.slice(at, end);
    if (text[end + 1] !== quote) {
      if (kind === 'quoted' && content === '')
        throw new SqlProblem({ start, end: end + 1 }, 'a name is empty. Write one between the quotes.');
      return { kind, text: content, word: '', start, end: end + 1 };
    }
    content += quote;
    at = end + 2;
  }
}
