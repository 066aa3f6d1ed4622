import {
  type BegunDecoder,
  type BytesDecoder,
  type DecodeContext,
  type DecodedPart,
  type DecodeTools,
  decompressedBytesMax,
  type LineDecoder,
  recordsPerRawMax,
} from '#shared/pipeline/decoder.ts';
import { shapesOf } from '#shared/pipeline/shape.ts';
import type { CompiledSource } from './compile.ts';
import { type DecodedRecord, messageOf, RecordAtHand, type Rejection, timed, undecodable, validate } from './decode.ts';
import { JsonScanner } from './json-scanner.ts';
import { byteOrderMarkBytes, firstLineOf, hasMark, notText, ScannedLine, withoutEnd } from './line-bytes.ts';
import { type QuickCheck, quickCheckOf } from './quick-check.ts';
import { needOf } from './source-need.ts';
import type { TextCache } from './text-cache.ts';

/**
 * Takes what one line or message came to, which holds until the next one; undefined for one that holds no record. Asks the reader where it
 * stands, when it matters.
 */
export type VisitRecord = (taken: DecodedRecord | Rejection | undefined) => void;

/**
 * Finds the records in the bytes of one raw record, or of a file: lines of text, or what a binary format holds. Each has its index, which
 * is a function of the bytes alone, so that every attempt gives it the same place (rule 2).
 */
export class RecordReader {
  readonly #source: CompiledSource;
  readonly #tools: DecodeTools | undefined;
  readonly #bytesDecoders: readonly BytesDecoder[];
  readonly #lineDecoders: readonly LineDecoder[];
  /** Those that depend on lines before have begun afresh. */
  #begun: readonly (LineDecoder & Partial<BegunDecoder>)[] = [];
  #standAlone: ((line: string) => string) | undefined;
  /** For lines of JSON whose schema has a shape. */
  readonly #scanner: JsonScanner | undefined;
  readonly #scanned: ScannedLine;
  /** For values; like the scanner it is asked before the schema. */
  readonly #check: QuickCheck | undefined;
  readonly #atHand = new RecordAtHand();
  /** A line that ends with the bytes, with a line feed behind it. */
  #tail = new Uint8Array(256);
  #wasDecoded = false;
  /** What reads all that was begun, by its first bytes. */
  #chosen: BytesDecoder | 'lines' | undefined;
  #context: DecodeContext = {};
  #index = 0;
  #indexMax = 0;
  #roomBytes = 0;
  #line = 0;
  #text = '';
  /** What holds the record at hand, if it is no line. */
  #part: { readonly payload: string | Uint8Array } | undefined;

  constructor(source: CompiledSource, tools?: DecodeTools) {
    this.#source = source;
    this.#tools = tools;
    this.#bytesDecoders = source.decoders.filter((decoder) => 'decodeBytes' in decoder);
    this.#lineDecoders = source.decoders.filter((decoder) => 'decodeLine' in decoder);
    this.#scanner = tools && scannerOf(source, this.#lineDecoders[0], tools);
    this.#scanned = new ScannedLine(tools);
    this.#check = tools && quickCheckOf(source);
    this.begin({});
  }

  /** Of the record at hand, counted over all lines that are not empty and all messages since `begin`. Behind the last one: how many. */
  get index(): number {
    return this.#index;
  }

  /** The number of the line at hand, from 1, counted over all since `begin`; for formats without lines, the index from 1. */
  get line(): number {
    return this.#line;
  }

  /** What a dead letter of the record at hand shows: its line, or its bytes. */
  get payload(): string | Uint8Array {
    return this.#part?.payload ?? this.#standAlone?.(this.#text) ?? this.#text;
  }

  /** Where texts of records come from, if they are read by the scanner; more may come. */
  get texts(): readonly TextCache[] {
    return this.#scanner?.texts ?? noTexts;
  }

  /** Begins a raw record or a file. `index` is that of its first record; a file may hold any number of them. */
  begin(context: DecodeContext, { index = 0, isFile = false } = {}): void {
    this.#context = context;
    this.#index = index;
    this.#indexMax = isFile ? Number.POSITIVE_INFINITY : recordsPerRawMax;
    this.#roomBytes = isFile ? Number.POSITIVE_INFINITY : decompressedBytesMax;
    this.#line = 0;
    this.#chosen = undefined;
    this.#begun = this.#lineDecoders.some((decoder) => decoder.begin !== undefined)
      ? this.#lineDecoders.map((decoder) => ({ ...decoder, ...decoder.begin?.() }))
      : this.#lineDecoders;
  }

  /** Whether bytes that begin so are lines, which may be read in pieces that end at line ends; other formats want them whole. */
  readsLines(start: Uint8Array): boolean {
    return this.#bytesDecoderOf(start) === undefined;
  }

  /** Reads bytes that are no longer compressed. */
  readBytes(bytes: Uint8Array, visit: VisitRecord): void {
    this.#chosen ??= this.#bytesDecoderOf(bytes) ?? 'lines';
    if (this.#chosen === 'lines') this.#readLines(bytes, visit);
    else this.#readMessages(this.#chosen, bytes, visit);
  }

  /** Reads a value that is decoded already. What it came to holds until the next one. */
  readValue(value: unknown): DecodedRecord | Rejection {
    const known = this.#check?.(value);
    if (known !== undefined) return timed(this.#source, known, this.#atHand);
    return validate(this.#source, value, this.#atHand);
  }

  /** Reads one line; the next one has the next index. */
  readLine(line: string, visit: VisitRecord): void {
    this.#text = line;
    this.#part = undefined;
    this.#line += 1;
    visit(this.#scanner === undefined ? this.#decodeLine(line) : this.#scanLine(this.#scanner, line));
    this.#index += 1;
  }

  /** A text of ASCII is read from its bytes, which is faster than JSON.parse; the line is what its dead letter shows. */
  #scanLine(scanner: JsonScanner, line: string): DecodedRecord | Rejection | undefined {
    const { length } = line;
    if (!scanner.isOn || length > scannedTextMax) {
      scanner.count(1, 0);
      return this.#decodeLine(line);
    }
    this.#growTail(length);
    const tail = this.#tail;
    const isAscii = this.#lent.write(line, tail) === length;
    tail[length] = lineFeed;
    const value = isAscii ? scanner.scan(tail, 0) : undefined;
    // A line feed inside the line is no end of it.
    const isRead = value !== undefined && scanner.next === length + 1;
    scanner.count(1, isRead ? 0 : 1);
    this.#standAlone = undefined;
    if (isRead) return timed(this.#source, value, this.#atHand);
    this.#wasDecoded = false;
    const decoded = this.#decodeLine(line);
    if (this.#wasDecoded && isAscii) scanner.learn(tail, 0);
    return decoded;
  }

  /** The whole of it is rejected, as one record. */
  reject(bytes: Uint8Array, rejection: Omit<Rejection, 'kind'>, visit: VisitRecord): void {
    this.#part = { payload: bytes };
    visit({ kind: 'rejected', ...rejection });
    this.#index += 1;
  }

  #bytesDecoderOf(start: Uint8Array): BytesDecoder | undefined {
    const { decoders } = this.#source;
    const [first] = this.#bytesDecoders;
    if (first === undefined || decoders.length === 1) return first;
    const line = firstLineOf(start, this.#lent);
    const found = decoders.find((decoder) =>
      'decodeBytes' in decoder ? decoder.recognisesBytes(start) : line !== undefined && decoder.recognises(line),
    );
    return found !== undefined && 'decodeBytes' in found ? found : undefined;
  }

  #readMessages(decoder: BytesDecoder, bytes: Uint8Array, visit: VisitRecord): void {
    const parts = this.#partsOf(decoder, bytes);
    for (let part = parts.next(); part.done !== true; part = parts.next()) {
      this.#line += 1;
      if (this.#index >= this.#indexMax) {
        this.reject(bytes, tooMany, visit);
        return;
      }
      const { value } = part;
      this.#part = value;
      visit('wrong' in value ? undecodable(value.wrong) : this.readValue(value.value));
      this.#index += 1;
    }
  }

  /** What a decoder throws is a part too. What a callback throws is not caught here: it is not called between the two. */
  *#partsOf(decoder: BytesDecoder, bytes: Uint8Array): Generator<DecodedPart> {
    let parts: Iterator<DecodedPart> | undefined;
    for (;;) {
      let next: IteratorResult<DecodedPart>;
      try {
        parts ??= decoder
          .decodeBytes(bytes, { ...this.#context, tools: this.#lent, roomBytes: this.#roomBytes })
          [Symbol.iterator]();
        next = parts.next();
      } catch (error) {
        yield { wrong: messageOf(error), payload: bytes };
        return;
      }
      if (next.done === true) return;
      yield next.value;
    }
  }

  #readLines(bytes: Uint8Array, visit: VisitRecord): void {
    const tools = this.#lent;
    const isMarked = this.#line === 0 && hasMark(bytes);
    if (this.#scanner?.isOn === true) {
      this.#scanLines(this.#scanner, bytes, isMarked ? byteOrderMarkBytes : 0, visit);
      return;
    }
    const linesBefore = this.#line;
    const text = tools.text(isMarked ? bytes.subarray(byteOrderMarkBytes) : bytes);
    if (text !== undefined) {
      this.#readText(text, visit);
      this.#scanner?.count(this.#line - linesBefore, 0);
      return;
    }
    // Some line is no text: it alone is rejected.
    for (let start = isMarked ? byteOrderMarkBytes : 0; start < bytes.length; ) {
      if (this.#index >= this.#indexMax) {
        this.#rejectRest(bytes.subarray(start), visit);
        return;
      }
      const next = bytes.indexOf(lineFeed, start) + 1 || bytes.length;
      this.#readLineOf(bytes, start, next, visit);
      start = next;
    }
  }

  /** Behind as many records as there may be: what is left is one rejection, whoever read the lines before. */
  #rejectRest(rest: Uint8Array, visit: VisitRecord): void {
    const text = this.#lent.text(rest);
    if (text !== undefined) {
      this.#readText(text, visit);
      return;
    }
    this.#line += 1;
    this.#standAlone = undefined;
    this.reject(rest, tooMany, visit);
  }

  #readLineOf(bytes: Uint8Array, start: number, end: number, visit: VisitRecord): void {
    const line = bytes.subarray(start, end);
    const text = this.#lent.text(line);
    if (text !== undefined) {
      this.#readText(text, visit);
      return;
    }
    this.#line += 1;
    this.reject(withoutEnd(line), { reason: 'undecodable', message: notText(line) }, visit);
  }

  /** Lines that the scanner reads, and between them those that it does not, from which it learns. */
  #scanLines(scanner: JsonScanner, bytes: Uint8Array, first: number, visit: VisitRecord): void {
    const linesBefore = this.#line;
    let missed = 0;
    let start = first;
    const last = bytes.lastIndexOf(lineFeed) + 1;
    while (start < last && this.#index < this.#indexMax) {
      const value = scanner.scan(bytes, start);
      if (value !== undefined) {
        const { next } = scanner;
        this.#visitScanned(value, bytes, start, next, visit);
        start = next;
        continue;
      }
      const next = bytes.indexOf(lineFeed, start) + 1;
      this.#wasDecoded = false;
      this.#readLineOf(bytes, start, next, visit);
      if (this.#wasDecoded) scanner.learn(bytes, start);
      missed += 1;
      start = next;
    }
    if (start < bytes.length && this.#index >= this.#indexMax) this.#rejectRest(bytes.subarray(start), visit);
    else if (start < bytes.length) {
      const tail = this.#withLineFeed(bytes, start);
      const value = scanner.scan(tail, 0);
      if (value !== undefined) this.#visitScanned(value, tail, 0, scanner.next, visit);
      else {
        this.#wasDecoded = false;
        this.#readLineOf(bytes, start, bytes.length, visit);
        if (this.#wasDecoded) scanner.learn(tail, 0);
        missed += 1;
      }
    }
    scanner.count(this.#line - linesBefore, missed);
  }

  #visitScanned(value: object, bytes: Uint8Array, start: number, end: number, visit: VisitRecord): void {
    this.#line += 1;
    this.#scanned.bytes = bytes;
    this.#scanned.start = start;
    this.#scanned.end = end;
    this.#part = this.#scanned;
    visit(timed(this.#source, value, this.#atHand));
    this.#index += 1;
  }

  #withLineFeed(bytes: Uint8Array, start: number): Uint8Array {
    const length = bytes.length - start;
    this.#growTail(length);
    for (let at = 0; at < length; at += 1) this.#tail[at] = bytes[start + at] as number;
    this.#tail[length] = lineFeed;
    return this.#tail;
  }

  /** For so many bytes and a line feed behind them. */
  #growTail(length: number): void {
    if (this.#tail.length <= length) this.#tail = new Uint8Array(2 * length);
  }

  /** Empty lines are counted, so that the number is an editor's, yet are no records. */
  #readText(text: string, visit: VisitRecord): void {
    this.#part = undefined;
    for (let start = 0; start < text.length; ) {
      const found = text.indexOf('\n', start);
      const next = found === -1 ? text.length : found;
      const end = text.charCodeAt(next - 1) === carriageReturn && next > start ? next - 1 : next;
      this.#line += 1;
      if (end > start) {
        if (this.#index >= this.#indexMax) {
          this.#standAlone = undefined;
          this.#text = text.slice(start);
          visit({ kind: 'rejected', ...tooMany });
          this.#index += 1;
          return;
        }
        this.#text = text.slice(start, end);
        visit(this.#decodeLine(this.#text));
        this.#index += 1;
      }
      start = next + 1;
    }
  }

  #decodeLine(line: string): DecodedRecord | Rejection | undefined {
    let raw: unknown;
    let isJson = false;
    this.#standAlone = undefined;
    try {
      const decoder = this.#decoderOf(line);
      this.#standAlone = decoder.standAlone;
      isJson = decoder.isJson === true;
      raw = decoder.decodeLine(line, this.#context);
    } catch (error) {
      return undecodable(messageOf(error));
    }
    if (raw === undefined) return undefined;
    // The scanner learns from what the schema itself has accepted.
    const decoded = isJson ? validate(this.#source, raw, this.#atHand) : this.readValue(raw);
    this.#wasDecoded = decoded.kind === 'decoded';
    return decoded;
  }

  #decoderOf(line: string): LineDecoder & Partial<BegunDecoder> {
    const decoders = this.#begun;
    for (let at = 0; at < decoders.length; at += 1) {
      const decoder = decoders[at] as LineDecoder & Partial<BegunDecoder>;
      if (this.#source.decoders.length === 1 || decoder.recognises(line)) return decoder;
    }
    throw new Error(
      `the line is of none of the formats ${this.#source.decoders.map((decoder) => decoder.format).join(', ')}`,
    );
  }

  get #lent(): DecodeTools {
    if (this.#tools === undefined) throw new Error('Bug in Millrace: bytes are read by a reader without tools');
    return this.#tools;
  }
}

/** What a scanner has learned does not show, so that of a source serves all its readers: it is compiled, and warm, once in a process. */
const scanners = new WeakMap<CompiledSource, JsonScanner>();

function scannerOf(
  source: CompiledSource,
  decoder: LineDecoder | undefined,
  tools: DecodeTools,
): JsonScanner | undefined {
  const known = scanners.get(source);
  if (known !== undefined || decoder?.isJson !== true) return known;
  const shapes = shapesOf(source.schema);
  if (shapes.length === 0) return undefined;
  const scanner = new JsonScanner(shapes, { tools, need: needOf(source, shapes) });
  scanners.set(source, scanner);
  return scanner;
}

/** Characters; a longer line is parsed without being copied first. */
const scannedTextMax = 1 << 16;
const noTexts: readonly TextCache[] = [];
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

const tooMany = {
  reason: 'too-large',
  message: `the record holds more than ${recordsPerRawMax} records; put fewer into one`,
} as const;
