import type { Need } from '#shared/engine/compile/need.ts';
import type { DecodeTools } from '#shared/pipeline/decoder.ts';
import type { ComputedField, ObjectShape } from '#shared/pipeline/shape.ts';
import { type Hole, type JsonTemplate, type TemplateObject, templateOf } from './json-template.ts';
import { scanTime } from './json-time.ts';
import {
  hashText,
  missed,
  type ScanCursor,
  scanBoolean,
  scanJudged,
  scanLineEnd,
  scanNumber,
  scanText,
  skipLine,
  skipPlainText,
  skipValue,
} from './json-values.ts';
import { lookedAtMax } from './look-ahead.ts';
import { TextCache } from './text-cache.ts';

/** Reads a line as its template says; undefined when it is another one. The cursor is then anywhere. */
type ScanLine = (bytes: Uint8Array, start: number, words: DataView) => object | undefined;

/** The hash of the text of a line that is a key, behind which the cursor is; undefined when the line is another one. */
type HashKey = (bytes: Uint8Array, start: number, words: DataView) => number | undefined;

/** A template's readers. */
interface LineScanner {
  readonly scan: ScanLine;
  readonly template: JsonTemplate;
  /** By hole. */
  readonly caches: readonly (TextCache | undefined)[];
  /** Of the first column of so many keys that it is worth to look ahead. */
  ahead: { readonly cache: TextCache; readonly hashKey: HashKey } | undefined;
}

/** Producers of one stream write a few kinds of lines. */
const templatesMax = 8;
/** So many lines are learned from before lines that are alike must come. */
const lessonsMax = 64;
/** After so many lines it is looked at whether the templates serve. */
const linesPerReview = 1 << 16;
/** Reviews for which it is not tried when they do not. */
const reviewsOff = 16;

/**
 * Reads the records of a shape from lines of JSON, without JSON.parse and without the schema. It learns from lines that the schema has
 * accepted how the stream's producers write, and compiles a reader for each way: bytes that never change are compared, values are read where
 * they stand. Whatever is not written so, or holds something unusual, is not read, and is parsed.
 */
export class JsonScanner {
  readonly #shapes: readonly ObjectShape[];
  readonly #tools: DecodeTools;
  readonly #need: Need;
  readonly #cursor: ScanCursor = { at: 0 };
  #scanners: LineScanner[] = [];
  /** Of the bytes that were read last. */
  #words: DataView = new DataView(new ArrayBuffer(0));
  #wordsOf: Uint8Array | undefined;
  /** By field, whatever the template: a column's texts come again. */
  readonly #caches = new Map<string, TextCache>();
  /** All of them; more may come. */
  readonly texts: TextCache[] = [];
  #last: ScanLine = () => undefined;
  readonly #hashes = new Int32Array(lookedAtMax);
  #lessons = 0;
  #lines = 0;
  #missed = 0;
  #off = 0;

  /** Fields that are not in `need` are checked as all others, and are not in the records. */
  constructor(shapes: readonly ObjectShape[], { tools, need }: { readonly tools: DecodeTools; readonly need: Need }) {
    this.#shapes = shapes;
    this.#tools = tools;
    this.#need = need;
  }

  /** Behind the line that was read last. */
  get next(): number {
    return this.#cursor.at;
  }

  /** Whether lines are worth being tried one by one. */
  get isOn(): boolean {
    return this.#off === 0;
  }

  /** The record of the line at `start`, which has a line feed behind it; undefined for a line that must be parsed. */
  scan(bytes: Uint8Array, start: number): object | undefined {
    if (bytes !== this.#wordsOf) this.#turnTo(bytes);
    return this.#last(bytes, start, this.#words) ?? this.#scanOthers(bytes, start);
  }

  #turnTo(bytes: Uint8Array): void {
    this.#wordsOf = bytes;
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Whether lines are still wanted for examples. */
  get isLearning(): boolean {
    return this.#scanners.length < templatesMax && this.#lessons < lessonsMax;
  }

  /** Takes a line that was not read, and that the schema has accepted, for an example. */
  learn(bytes: Uint8Array, start: number): void {
    if (!this.isLearning) return;
    this.#lessons += 1;
    const template = templateOf(bytes, start, { shapes: this.#shapes, need: this.#need });
    if (template !== undefined) this.#scanners.push(this.#compile(template));
  }

  /** To be told how many lines were read, and how many of them not here. */
  count(lines: number, missedLines: number): void {
    this.#lines += lines;
    this.#missed += missedLines;
    if (this.#lines < linesPerReview) return;
    if (this.#off > 0) this.#off -= 1;
    else if (this.#missed * 2 > this.#lines) this.#off = reviewsOff;
    if (this.#missed * 16 > this.#lines) this.#scanners = [];
    this.#lessons = 0;
    this.#lines = 0;
    this.#missed = 0;
  }

  #scanOthers(bytes: Uint8Array, start: number): object | undefined {
    for (let at = 0; at < this.#scanners.length; at += 1) {
      const scanner = this.#scanners[at] as LineScanner;
      if (scanner.scan === this.#last) continue;
      const value = scanner.scan(bytes, start, this.#words);
      if (value === undefined) continue;
      this.#last = scanner.scan;
      return value;
    }
    return undefined;
  }

  #compile(template: JsonTemplate): LineScanner {
    const lines = template.holes.map(
      (hole, index) => `${compareSource(template.literals[index] as string)}\n  ${holeSource(hole, index)}`,
    );
    const source = `'use strict';
return (bytes, start, words) => {
  let at = start;
  ${lines.join('\n  ')}
  ${compareSource(template.literals.at(-1) as string)}
  at = scanLineEnd(bytes, at);
  if (at === -1) return undefined;
  cursor.at = at;
  const record = ${objectSource(template.result, template.holes)};
  ${template.computed.length === 0 ? '' : 'if (!complete(record)) return undefined;'}
  return record;
};`;
    const paths = new Map(fieldsOf(template.result));
    const caches = template.holes.map(({ kind }, index) =>
      kind === 'text' || kind === 'text choice' || kind === 'judged'
        ? this.#cacheOf(paths.get(index) ?? '')
        : undefined,
    );
    const lent = {
      cursor: this.#cursor,
      complete: completer(template.computed),
      caches,
      schemas: template.holes.map((hole) => (hole.kind === 'judged' ? hole.schema : undefined)),
      missed,
      scanBoolean,
      scanJudged,
      scanLineEnd,
      scanNumber,
      scanText,
      scanTime,
      skipPlainText,
      skipValue,
    };
    const scan = new Function(...Object.keys(lent), source)(...Object.values(lent)) as ScanLine;
    return { scan, template, caches, ahead: undefined };
  }

  /**
   * Lets those who know things of keys look at what they know of the next lines' keys, where there are so many keys that it is not in the
   * processor's caches. `end` is behind the last line feed. Gives up to where it has looked; behind that it may be called again.
   */
  lookAhead(bytes: Uint8Array, start: number, end: number): number {
    if (end - start < aheadBytesMin) return bytes.length;
    const ahead = this.#aheadOf(this.#scanners.find(({ scan }) => scan === this.#last));
    if (ahead?.cache.isWide !== true) return bytes.length;
    if (bytes !== this.#wordsOf) this.#turnTo(bytes);
    let at = start;
    let count = 0;
    for (let lines = 0; lines < lookedAtMax && at < end; lines += 1) {
      const hash = ahead.hashKey(bytes, at, this.#words);
      if (hash !== undefined) {
        this.#hashes[count] = hash;
        count += 1;
        at = this.#cursor.at;
      }
      at = skipLine(bytes, at);
    }
    ahead.cache.lookAt(this.#hashes, count);
    return at;
  }

  #aheadOf(scanner: LineScanner | undefined): LineScanner['ahead'] {
    if (scanner === undefined || scanner.ahead !== undefined) return scanner?.ahead;
    const hole = scanner.caches.findIndex((one) => one?.isWide);
    const cache = scanner.caches[hole];
    if (cache !== undefined) scanner.ahead = { cache, hashKey: this.#compileHash(scanner.template, hole) };
    return scanner.ahead;
  }

  #compileHash({ literals, holes }: JsonTemplate, hole: number): HashKey {
    const isText = (kind: Hole['kind']): boolean =>
      kind.endsWith('text') || kind === 'text choice' || kind === 'timestamp';
    const skips = holes.slice(0, hole).map(({ kind }, index) => {
      const end = isText(kind) ? 'skipPlainText(bytes, at, words)' : 'skipValue(bytes, at)';
      return `${compareSource(literals[index] as string)}\n  at = ${end}; if (at === -1) return undefined;`;
    });
    // Where a text's own schema judges it, its quote is no part of what never changes.
    const opening = holes[hole]?.kind === 'judged' ? '"' : '';
    const source = `'use strict';
return (bytes, start, words) => {
  let at = start;
  ${skips.join('\n  ')}
  ${compareSource(`${literals[hole]}${opening}`)}
  return hashText(bytes, at, cursor, words);
};`;
    const lent = { cursor: this.#cursor, hashText, skipPlainText, skipValue };
    return new Function(...Object.keys(lent), source)(...Object.values(lent)) as HashKey;
  }

  #cacheOf(field: string): TextCache {
    const known = this.#caches.get(field);
    if (known !== undefined) return known;
    const cache = new TextCache(this.#tools.ascii);
    this.#caches.set(field, cache);
    this.texts.push(cache);
    return cache;
  }
}

/** Fewer bytes are a line or two, for which there is nothing to be waited for together. */
const aheadBytesMin = 256;

const wordBytes = 4;

/** Compares bytes, four at a time, the numbers of which are all that comes from a record into the source. */
function compareSource(literal: string): string {
  if (literal === '') return '';
  const { length } = literal;
  const comparisons = [];
  if (length < wordBytes) {
    for (let index = 0; index < length; index += 1)
      comparisons.push(`bytes[${place(index)}] !== ${literal.charCodeAt(index)}`);
  } else {
    comparisons.push(`at > bytes.length - ${length}`);
    for (let index = 0; index < length; index += wordBytes) {
      // The last word ends where the literal does.
      const first = Math.min(index, length - wordBytes);
      comparisons.push(`words.getInt32(${place(first)}, true) !== ${wordOf(literal, first)}`);
    }
  }
  return `if (${comparisons.join(' || ')}) return undefined;\n  at += ${length};`;
}

/** So many bytes behind the place at hand, in the source. */
function place(index: number): string {
  return index === 0 ? 'at' : `at + ${index}`;
}

function wordOf(literal: string, first: number): number {
  let word = 0;
  for (let index = 0; index < wordBytes; index += 1) word |= literal.charCodeAt(first + index) << (8 * index);
  return word;
}

function holeSource(hole: Hole, index: number): string {
  const value = `value${index}`;
  const next = 'at = cursor.at;';
  switch (hole.kind) {
    case 'text':
      return `const ${value} = scanText(bytes, at, cursor, caches[${index}], words); if (${value} === undefined) return undefined; ${next}`;
    case 'unread text':
      return 'at = skipPlainText(bytes, at, words); if (at === -1) return undefined;';
    case 'text choice':
      return `const ${value} = scanText(bytes, at, cursor, caches[${index}], words); if (${noneOf(value, hole.values)}) return undefined; ${next}`;
    case 'number choice':
      return `const ${value} = scanNumber(bytes, at, cursor); if (${noneOf(value, hole.values)}) return undefined; ${next}`;
    case 'number':
      return `${numberSource(hole.length, value)} if (${value} !== ${value}) return undefined;`;
    case 'integer':
      return `${numberSource(hole.length, value)} if (!Number.isInteger(${value})) return undefined;`;
    case 'timestamp':
      return `const ${value} = scanTime(bytes, at, cursor); if (${value} !== ${value}) return undefined; ${next}`;
    case 'boolean':
      return `const ${value} = scanBoolean(bytes, at, cursor); if (${value} === -1) return undefined; ${next}`;
    case 'judged':
      return `const ${value} = scanJudged(bytes, at, cursor, caches[${index}], words, schemas[${index}]); if (${value} === missed) return undefined; ${next}`;
    case 'skipped':
      return 'at = skipValue(bytes, at); if (at === -1) return undefined;';
  }
}

function noneOf(value: string, values: readonly (string | number)[]): string {
  return values.map((one) => `${value} !== ${JSON.stringify(one)}`).join(' && ');
}

/**
 * Numbers that are long, such as times, are most often all of one length: their digits are then read four at a time and not one after the
 * other, by the sums that two multiplications make side by side (D. Lemire, "Quickly parsing eight digits", 2018). Any other is read by
 * `scanNumber`.
 */
function numberSource(length: number, value: string): string {
  const scanned = `${value} = scanNumber(bytes, at, cursor); at = cursor.at;`;
  if (length < longDigitsMin || length > longDigitsMax) return `let ${scanned}`;
  const lead = length % wordBytes;
  const leads = Array.from({ length: lead }, (_, index) => `${value}d${index}`);
  const words = Array.from({ length: (length - lead) / wordBytes }, (_, index) => `${value}w${index}`);
  const declared = [
    ...leads.map((digit, index) => `${digit} = bytes[${place(index)}] - 48`),
    ...words.map((word, index) => `${word} = words.getInt32(${place(lead + wordBytes * index)}, true)`),
    `${value}next = bytes[at + ${length}]`,
  ].join(', ');
  const areDigits = [
    // Neither of zeros first, nor what is no digit at all.
    ...(lead === 0 ? [`bytes[at] !== 48`] : []),
    ...leads.map((digit, index) => `${digit} >= ${index === 0 ? 1 : 0} && ${digit} <= 9`),
    ...words.map((word) => `((${word} & 0xf0f0f0f0) | (((${word} + 0x06060606) & 0xf0f0f0f0) >>> 4)) === 0x33333333`),
    `(${value}next === 44 || ${value}next === 125)`,
  ].join(' && ');
  const wordValue = (word: string | undefined): string =>
    `(Math.imul((Math.imul(${word} & 0x0f0f0f0f, 2561) >>> 8) & 0x00ff00ff, 6553601) >>> 16)`;
  const leadValue = leads.map((digit, index) => `Math.imul(${digit}, ${10 ** (lead - 1 - index)})`).join(' + ') || '0';
  // Each half is a small integer.
  const [low1, low0] = [words.at(-1), words.at(-2)];
  const high = words.length > 2 ? `(Math.imul(${leadValue}, 10000) + ${wordValue(words[0])})` : `(${leadValue})`;
  const sum = `${high} * ${10 ** (2 * wordBytes)} + (Math.imul(${wordValue(low0)}, 10000) + ${wordValue(low1)})`;
  return `let ${value};
  if (at < bytes.length - ${length}) {
    const ${declared};
    if (${areDigits}) { ${value} = ${sum}; at += ${length}; } else { ${scanned} }
  } else { ${scanned} }`;
}

const longDigitsMin = 10;
const longDigitsMax = 15;

/** The record as an object literal, so that all records of a template are of one hidden class. */
function objectSource(object: TemplateObject, holes: readonly Hole[]): string {
  const fields = Object.entries(object).map(([name, value]) => {
    if (value === null) return `${JSON.stringify(name)}: null`;
    if (typeof value === 'object') return `${JSON.stringify(name)}: ${objectSource(value, holes)}`;
    return `${JSON.stringify(name)}: ${valueSource(`value${value}`, holes[value])}`;
  });
  return `{ ${fields.join(', ')} }`;
}

function valueSource(value: string, hole: Hole | undefined): string {
  if (hole?.kind === 'boolean') return `${value} === 1`;
  return hole !== undefined && 'isPlainZero' in hole && hole.isPlainZero ? `${value} + 0` : value;
}

/** Adds what is computed; false when it throws. */
function completer(computed: readonly ComputedField[]): (record: Record<string, unknown>) => boolean {
  return (record) => {
    try {
      for (let at = 0; at < computed.length; at += 1) {
        const { name, evaluate } = computed[at] as ComputedField;
        record[name] = evaluate(record);
      }
    } catch {
      return false;
    }
    return true;
  };
}

/** The fields' paths by their holes. */
function fieldsOf(object: TemplateObject, path = ''): readonly (readonly [hole: number, path: string])[] {
  return Object.entries(object).flatMap(([name, value]) => {
    if (typeof value === 'number') return [[value, `${path}/${name}`] as const];
    return value === null ? [] : fieldsOf(value, `${path}/${name}`);
  });
}
