import type { CompiledSource } from '#shared/engine/compile/compile.ts';
import {
  type BegunDecoder,
  type BytesDecoder,
  type DecodeContext,
  type DecodeTools,
  decompressedBytesMax,
  type LineDecoder,
  recordsPerRawMax,
} from '#shared/pipeline/decoder.ts';
import { bytesDecoderOf, lineDecoderOf } from './choose-decoder.ts';
import {
  type DecodedRecord,
  messageOf,
  RecordAtHand,
  type Rejection,
  timed,
  tooManyRecords,
  undecodable,
  validate,
} from './decode.ts';
import { decodedParts } from './decoded-parts.ts';
import type { JsonScanner } from './json-scanner.ts';
import { byteOrderMarkBytes, hasMark, notText, replacedText, ScannedLine, withoutEnd } from './line-bytes.ts';
import { LineTail } from './line-tail.ts';
import { type QuickCheck, quickCheckOf } from './quick-check.ts';
import { scannerOf } from './source-scanner.ts';
import { SpanningLines, type SpanningRecord } from './spanning-lines.ts';
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
  readonly #lineDecoders: readonly LineDecoder[];
  /** For formats whose records may span lines. */
  readonly #spanning: SpanningLines | undefined;
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
  readonly #tail = new LineTail();
  #wasDecoded = false;
  /** What reads all that was begun, by its first bytes. */
  #chosen: BytesDecoder | 'lines' | undefined;
  #context: DecodeContext = {};
  #index = 0;
  #indexMax = 0;
  #roomBytes = 0;
  #isFile = false;
  #line = 0;
  #text = '';
  /** What holds the record at hand, if it is no line. */
  #part: { readonly payload: string | Uint8Array } | undefined;

  /** Without `scans` lines of JSON are parsed, and checked as values are. */
  constructor(source: CompiledSource, tools?: DecodeTools, { scans = true } = {}) {
    this.#source = source;
    this.#tools = tools;
    this.#lineDecoders = source.decoders.filter((decoder) => 'decodeLine' in decoder);
    this.#spanning = SpanningLines.of(this.#lineDecoders, source.decoders.length === 1);
    this.#scanner = !scans || tools === undefined ? undefined : scannerOf(source, this.#lineDecoders[0], tools);
    this.#scanned = new ScannedLine(tools);
    this.#check = tools && quickCheckOf(source);
    this.begin({});
  }

  /** Of the record at hand, counted over all lines that are not empty and all messages since `begin`. Behind the last one: how many. */
  get index(): number {
    return this.#index;
  }

  /** The number of the line at hand, the first one of its record, from 1, counted over all since `begin`; for formats without lines, the index from 1. */
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

  /** Begins a raw record, or a file, which may hold any number of records and ends with `end`. `index` is that of the first record. */
  begin(context: DecodeContext, { index = 0, isFile = false } = {}): void {
    this.#context = context;
    this.#index = index;
    this.#indexMax = isFile ? Number.POSITIVE_INFINITY : recordsPerRawMax;
    this.#roomBytes = isFile ? Number.POSITIVE_INFINITY : decompressedBytesMax;
    this.#line = 0;
    this.#chosen = undefined;
    this.#isFile = isFile;
    this.#spanning?.begin();
    this.#begun = this.#lineDecoders.some((decoder) => decoder.begin !== undefined)
      ? this.#lineDecoders.map((decoder) => ({ ...decoder, ...decoder.begin?.() }))
      : this.#lineDecoders;
  }

  /** Whether bytes that begin so are lines, which may be read in pieces that end at line ends; other formats want them whole. */
  readsLines(start: Uint8Array): boolean {
    return bytesDecoderOf(this.#source.decoders, start, this.#lent) === undefined;
  }

  /** Reads bytes that are no longer compressed: all of a raw record, or the next ones of a file. */
  readBytes(bytes: Uint8Array, visit: VisitRecord): void {
    this.#chosen ??= bytesDecoderOf(this.#source.decoders, bytes, this.#lent) ?? 'lines';
    if (this.#chosen === 'lines') this.#readLines(bytes, visit);
    else this.#readMessages(this.#chosen, bytes, visit);
    if (!this.#isFile) this.end(visit);
  }

  /** Behind the last bytes of a file. What goes on there, such as a field whose quote was not closed, is a rejection. */
  end(visit: VisitRecord): void {
    const record = this.#spanning?.rest(this.#lent);
    if (record !== undefined) this.#visitSpanning(record, visit);
  }

  /** Whether a file was not ended where a record goes on. */
  get isOpen(): boolean {
    return this.#spanning?.isOpen === true;
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
    const tail = this.#tail.room(length);
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

  #readMessages(decoder: BytesDecoder, bytes: Uint8Array, visit: VisitRecord): void {
    const context = { ...this.#context, tools: this.#lent, roomBytes: this.#roomBytes };
    const parts = decodedParts(decoder, bytes, context);
    for (let part = parts.next(); part.done !== true; part = parts.next()) {
      this.#line += 1;
      if (this.#index >= this.#indexMax) {
        this.reject(bytes, tooManyRecords, visit);
        return;
      }
      const { value } = part;
      this.#part = value;
      visit('wrong' in value ? undecodable(value.wrong) : this.readValue(value.value));
      this.#index += 1;
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
    this.reject(rest, tooManyRecords, visit);
  }

  #readLineOf(bytes: Uint8Array, start: number, end: number, visit: VisitRecord): void {
    const line = bytes.subarray(start, end);
    const text = this.#lent.text(line);
    if (text !== undefined) {
      this.#readText(text, visit);
      return;
    }
    this.#line += 1;
    const replaced = this.#spanning === undefined ? '' : replacedText(withoutEnd(line), this.#lent);
    if (this.#spanning?.takes(replaced) === true) this.#joinLine(replaced, line, visit);
    else this.reject(withoutEnd(line), { reason: 'undecodable', message: notText(line) }, visit);
  }

  /** Takes a line into the record of several lines that it belongs to, and visits that with its last. */
  #joinLine(text: string, raw: string | Uint8Array, visit: VisitRecord): void {
    const record = this.#spanning?.take(text, raw, { line: this.#line, tools: this.#lent });
    if (record !== undefined) this.#visitSpanning(record, visit);
  }

  #visitSpanning({ firstLine, content, wrong, decoder, note }: SpanningRecord, visit: VisitRecord): void {
    const lastLine = this.#line;
    this.#line = firstLine;
    this.#standAlone = this.#begun[decoder]?.standAlone;
    this.#text = typeof content === 'string' ? content : '';
    this.#part = typeof content === 'string' ? undefined : { payload: content };
    const taken = wrong === undefined ? this.#decodeLine(this.#text, this.#begun[decoder]) : undecodable(wrong);
    const isNoted = taken?.kind === 'rejected' && taken.reason === 'undecodable';
    visit(isNoted ? { ...taken, message: taken.message + note } : taken);
    this.#part = undefined;
    this.#index += 1;
    this.#line = lastLine;
  }

  /** Reads the lines that go on with a record that is open. Gives where the first one begins that does not. */
  #readOpen(bytes: Uint8Array, first: number, visit: VisitRecord): number {
    let start = first;
    while (this.#spanning?.isOpen === true && start < bytes.length) {
      const next = bytes.indexOf(lineFeed, start) + 1 || bytes.length;
      this.#readLineOf(bytes, start, next, visit);
      start = next;
    }
    return start;
  }

  /** Lines that the scanner reads, and between them those that it does not, from which it learns. */
  #scanLines(scanner: JsonScanner, bytes: Uint8Array, first: number, visit: VisitRecord): void {
    const linesBefore = this.#line;
    let missed = 0;
    let start = this.#readOpen(bytes, first, visit);
    const last = bytes.lastIndexOf(lineFeed) + 1;
    let looked = start;
    while (start < last && this.#index < this.#indexMax) {
      if (start >= looked) looked = scanner.lookAhead(bytes, start, last);
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
      start = this.#readOpen(bytes, next, visit);
    }
    if (start < bytes.length && this.#index >= this.#indexMax) this.#rejectRest(bytes.subarray(start), visit);
    else if (start < bytes.length) {
      const tail = this.#tail.copy(bytes, start);
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
    const scanned = this.#scanned;
    // To say again what is known costs more than to look.
    if (scanned.bytes !== bytes) scanned.bytes = bytes;
    scanned.start = start;
    scanned.end = end;
    if (this.#part !== scanned) this.#part = scanned;
    visit(timed(this.#source, value, this.#atHand));
    this.#index += 1;
  }

  /** Empty lines are counted, so that the number is an editor's, yet are no records. */
  #readText(text: string, visit: VisitRecord): void {
    this.#part = undefined;
    const spanning = this.#spanning;
    let signAt = spanning?.signAt(text, 0) ?? text.length;
    for (let start = 0; start < text.length; ) {
      const found = text.indexOf('\n', start);
      const next = found === -1 ? text.length : found;
      const end = text.charCodeAt(next - 1) === carriageReturn && next > start ? next - 1 : next;
      this.#line += 1;
      if (spanning !== undefined && (signAt < next || spanning.isOpen)) {
        signAt = spanning.signAt(text, next);
        const line = text.slice(start, end);
        if (spanning.takes(line)) {
          this.#joinLine(line, text.slice(start, next + 1), visit);
          start = next + 1;
          continue;
        }
      }
      if (end > start) {
        if (this.#index >= this.#indexMax) {
          this.#standAlone = undefined;
          this.#text = text.slice(start);
          visit({ kind: 'rejected', ...tooManyRecords });
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

  #decodeLine(line: string, known?: LineDecoder & Partial<BegunDecoder>): DecodedRecord | Rejection | undefined {
    let raw: unknown;
    let isJson = false;
    this.#standAlone = undefined;
    try {
      const decoder = known ?? lineDecoderOf(this.#source.decoders, this.#begun, line);
      this.#standAlone = decoder.standAlone;
      isJson = decoder.isJson === true;
      raw = decoder.decodeLine(line, this.#context);
    } catch (error) {
      return undecodable(messageOf(error));
    }
    if (raw === undefined) return undefined;
    // The scanner learns from what the schema itself has accepted.
    const isLesson = isJson && this.#scanner?.isLearning === true;
    const decoded = isLesson ? validate(this.#source, raw, this.#atHand) : this.readValue(raw);
    this.#wasDecoded = decoded.kind === 'decoded';
    return decoded;
  }

  get #lent(): DecodeTools {
    if (this.#tools === undefined) throw new Error('Bug in Millrace: bytes are read by a reader without tools');
    return this.#tools;
  }
}

/** Characters; a longer line is parsed without being copied first. */
const scannedTextMax = 1 << 16;
const noTexts: readonly TextCache[] = [];
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
