import { nearest } from '#shared/pipeline/nearest.ts';
import type { Name } from './ast.ts';
import { type Token, tokenize } from './lexer.ts';
import { type Span, SqlProblem } from './problem.ts';

/** How deep expressions and queries may stand in one another. */
export const nestingMax = 200;

/** How many operators an expression may have in all: its tree is walked by functions that call themselves. */
const operatorsMax = 2_000;

/** Words that end an expression or a name, and so are no names unless they stand in quotes. */
const reservedWords = new Set(
  `ALL AND AS BETWEEN BY CASE CAST CROSS DISTINCT ELSE END ESCAPE EXCEPT EXISTS FALSE FROM FULL GROUP HAVING IN INNER INSERT INTERSECT INTERVAL INTO IS
   JOIN LEFT LIKE ILIKE LIMIT NOT NULL ON OR ORDER OUTER OVER QUALIFY RIGHT SELECT SIMILAR TABLE THEN TRUE UNION USING WHEN WHERE WITH WITHIN WATERMARK`.split(
    /\s+/,
  ),
);

/** Words that begin something else where an alias may stand without AS. */
const noAliases: ReadonlySet<string> = new Set([
  'NATURAL',
  'OFFSET',
  'FETCH',
  'TABLESAMPLE',
  'WINDOW',
  'EMIT',
  'EXCLUDE',
  'MATCH_RECOGNIZE',
  'AT',
  'PARTITION',
]);

/** The place in a text up to which it was read. */
export class Cursor {
  readonly tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #expressions = 0;
  #operators = 0;

  constructor(text: string) {
    this.tokens = tokenize(text);
  }

  get token(): Token {
    return this.tokens[this.#at] as Token;
  }

  get isAtEnd(): boolean {
    return this.token.kind === 'end';
  }

  /** The token before the one at hand. */
  get last(): Token {
    return this.tokens[Math.max(0, this.#at - 1)] as Token;
  }

  peek(ahead = 1): Token {
    return this.tokens[Math.min(this.#at + ahead, this.tokens.length - 1)] as Token;
  }

  next(): Token {
    const { token } = this;
    if (token.kind !== 'end') this.#at += 1;
    return token;
  }

  /** Whether the words, or signs, stand next. */
  isNext(...words: readonly string[]): boolean {
    return words.every((word, ahead) => this.peek(ahead).word === word);
  }

  /** Takes the words when they stand next. */
  takes(...words: readonly string[]): boolean {
    if (!this.isNext(...words)) return false;
    this.#at += words.length;
    return true;
  }

  /** Takes the word, or sign, that must stand next. `where` says behind what: `behind SELECT`. */
  expect(word: string, where: string): Token {
    if (this.token.word === word) return this.next();
    throw this.unexpected(word, where);
  }

  unexpected(wanted: string, where: string): SqlProblem {
    return new SqlProblem(this.spot, `expected ${wanted} ${where}, and found ${this.shown}.`);
  }

  /** The place of the token at hand; at the end of the text that behind the last token. */
  get spot(): Span {
    const { token } = this;
    return token.kind === 'end' ? { start: this.last.end, end: this.last.end + 1 } : token;
  }

  get shown(): string {
    return this.token.kind === 'end'
      ? 'the end of the text'
      : this.token.kind === 'string'
        ? `the text '${this.token.text}'`
        : this.token.text;
  }

  /** A name, quoted or not. `of`: of what, for the message. */
  name(of: string): Name {
    const { token } = this;
    if (!this.isName()) {
      const advice =
        token.kind === 'word' ? ` ${token.text} is a word of SQL; as a name it stands in quotes: "${token.text}".` : '';
      throw new SqlProblem(this.spot, `expected the name of ${of}, and found ${this.shown}.${advice}`);
    }
    this.next();
    return { text: token.text, at: token, ...(token.kind === 'quoted' ? { isQuoted: true } : {}) };
  }

  isName(): boolean {
    const { token } = this;
    return token.kind === 'quoted' || (token.kind === 'word' && !reservedWords.has(token.word));
  }

  /** `AS name`, or a name alone. */
  alias(): Name | undefined {
    if (this.takes('AS')) return this.name('what stands before AS');
    return this.isName() && !noAliases.has(this.token.word) ? this.name('an alias') : undefined;
  }

  /** Items with commas between them. */
  list<T>(read: () => T): readonly T[] {
    const items = [read()];
    while (this.takes(',')) items.push(read());
    return items;
  }

  /** Reads what stands one level deeper. */
  nested<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > nestingMax)
      throw new SqlProblem(
        this.spot,
        `what stands here is nested more than ${nestingMax} deep. Name parts of it with WITH name AS (…).`,
      );
    const found = read();
    this.#depth -= 1;
    return found;
  }

  /** Reads an expression, with the operators of those within it. */
  expression<T>(read: () => T): T {
    if (this.#expressions === 0) this.#operators = 0;
    this.#expressions += 1;
    const found = this.nested(read);
    this.#expressions -= 1;
    return found;
  }

  countOperator(): void {
    this.#operators += 1;
    if (this.#operators > operatorsMax)
      throw new SqlProblem(
        this.spot,
        `the expression has more than ${operatorsMax} operators. Name parts of it with WITH name AS (SELECT … AS part FROM …).`,
      );
  }

  /** What the word at hand was most likely meant to be, as advice. */
  suggestion(words: readonly string[]): string {
    const meant = this.token.kind === 'word' ? nearest(this.token.text, words) : undefined;
    return meant === undefined ? '' : ` Did you mean ${meant}?`;
  }
}
