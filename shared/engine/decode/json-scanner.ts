import type { Need } from '#shared/engine/compile/need.ts';
import type { DecodeTools } from '#shared/pipeline/decoder.ts';
import type { ObjectShape } from '#shared/pipeline/shape.ts';
import { type JsonTemplate, type TemplateObject, templateOf } from './json-template.ts';
import { type ScanCursor, skipLine } from './json-values.ts';
import { lookedAtMax } from './look-ahead.ts';
import { compileHash, compileScan, type HashKey, type ScanLine } from './scanner-code.ts';
import { TextCache } from './text-cache.ts';

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
    const paths = new Map(fieldsOf(template.result));
    const caches = template.holes.map(({ kind }, index) =>
      kind === 'text' || kind === 'text choice' || kind === 'judged'
        ? this.#cacheOf(paths.get(index) ?? '')
        : undefined,
    );
    const scan = compileScan(template, { cursor: this.#cursor, caches });
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
    if (cache !== undefined) scanner.ahead = { cache, hashKey: compileHash(scanner.template, hole, this.#cursor) };
    return scanner.ahead;
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

/** The fields' paths by their holes. */
function fieldsOf(object: TemplateObject, path = ''): readonly (readonly [hole: number, path: string])[] {
  return Object.entries(object).flatMap(([name, value]) => {
    if (typeof value === 'number') return [[value, `${path}/${name}`] as const];
    return value === null ? [] : fieldsOf(value, `${path}/${name}`);
  });
}
