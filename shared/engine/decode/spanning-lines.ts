import type { DecodeTools, LineDecoder } from '#shared/pipeline/decoder.ts';
import { assert } from '#shared/schemas/error.ts';
import { notText, withoutEnd } from './line-bytes.ts';

/** Characters that a record of several lines may hold. One that is longer ends with the line that makes it so, and is rejected. */
export const spanningCharactersMax = 1 << 20;

/** A record of several lines, or one that was to be. */
export interface SpanningRecord {
  /** The number of its first line. */
  readonly firstLine: number;
  /** Which of the decoders reads it. */
  readonly decoder: number;
  /** Without the end of its last line. Bytes when they are no text. */
  readonly content: string | Uint8Array;
  /** Why it is no record. */
  readonly wrong: string | undefined;
  /** What stands behind the reason of a rejection. */
  readonly note: string;
}

/**
 * Puts the lines of a record together where the format lets it span them, as CSV does inside quotes. The lines come one by one, in whatever
 * pieces they were read, so the records are a function of the lines alone (rule 2).
 */
export class SpanningLines {
  readonly #decoders: readonly LineDecoder[];
  readonly #isOnly: boolean;
  #open: OpenRecord | undefined;

  /** Undefined for formats whose records are one line each. `isOnly`: the source has no other decoders. */
  static of(decoders: readonly LineDecoder[], isOnly: boolean): SpanningLines | undefined {
    return decoders.some(({ spanning }) => spanning !== undefined) ? new SpanningLines(decoders, isOnly) : undefined;
  }

  private constructor(decoders: readonly LineDecoder[], isOnly: boolean) {
    this.#decoders = decoders;
    this.#isOnly = isOnly;
  }

  /** Whether the next line goes on with the record of the one before. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  begin(): void {
    this.#open = undefined;
  }

  /** Where in the text, from `start` on, the first sign stands that may open a field: lines before it are records of their own. */
  signAt(text: string, start: number): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { spanning } of this.#decoders) {
      const at = spanning === undefined ? -1 : text.indexOf(spanning.sign, start);
      if (at !== -1 && at < first) first = at;
    }
    return first;
  }

  /** Whether the line belongs to a record of several lines; one that does not is a record of its own. */
  takes(text: string): boolean {
    return this.#open !== undefined || this.#decoderOf(text) !== undefined;
  }

  /**
   * Takes a line that belongs to a record of several, and gives the record that ends with it, or must end there. `text` is the line without
   * its end, `raw` with it: bytes when the line is no text, and `text` then what there is of it.
   */
  take(
    text: string,
    raw: string | Uint8Array,
    { line, tools }: { readonly line: number; readonly tools: DecodeTools },
  ): SpanningRecord | undefined {
    const open = this.#open ?? this.#openedBy(text, line);
    const at = open.decoder.spanning?.openAt(text, this.#open !== undefined);
    if (at !== undefined && at >= 0) open.opened = { line, character: at + 1 };
    // The next piece of a file may be read into the same memory.
    open.parts.push(typeof raw === 'string' ? raw : new Uint8Array(raw));
    open.last = text;
    open.lastLine = line;
    open.characters += text.length + 1;
    this.#open = open;
    if (at === undefined) return this.#end(open, tools, undefined);
    if (open.characters < spanningCharactersMax) return undefined;
    const where = `in the ${spanningCharactersMax} characters that a record may span; it is rejected up to line ${line}`;
    return this.#end(open, tools, where);
  }

  /** The record that is open where there are no more lines. */
  rest(tools: DecodeTools): SpanningRecord | undefined {
    const open = this.#open;
    return open && this.#end(open, tools, `up to the end, line ${open.lastLine}; a record must be put whole`);
  }

  /** What reads a record that goes on in the next line. */
  #decoderOf(text: string): LineDecoder | undefined {
    for (const decoder of this.#decoders)
      if (decoder.spanning?.openAt(text, false) !== undefined)
        return this.#isOnly || this.#decoders.find(({ recognises }) => recognises(text)) === decoder
          ? decoder
          : undefined;
    return undefined;
  }

  #openedBy(text: string, line: number): OpenRecord {
    const decoder = this.#decoderOf(text);
    assert(decoder !== undefined, 'a line is taken that opens a record of several');
    const opened = { line, character: 1 };
    return { decoder, line, opened, parts: [], last: '', lastLine: line, characters: 0 };
  }

  #end(open: OpenRecord, tools: DecodeTools, unclosed: string | undefined): SpanningRecord {
    this.#open = undefined;
    const { opened, line, lastLine, parts, decoder } = open;
    const content = parts.every((part) => typeof part === 'string')
      ? parts.slice(0, -1).join('') + open.last
      : withoutEnd(bytesOf(parts, tools));
    const where = `line ${opened.line}, character ${opened.character}`;
    const wrong =
      unclosed !== undefined
        ? `${where}: a quote opens a field, and none closes it ${unclosed}`
        : typeof content === 'string'
          ? undefined
          : notText(content);
    const note = unclosed === undefined ? ` (the record is lines ${line} to ${lastLine})` : '';
    return { firstLine: line, decoder: this.#decoders.indexOf(decoder), content, wrong, note };
  }
}

interface OpenRecord {
  readonly decoder: LineDecoder;
  /** Its first. */
  readonly line: number;
  /** Where what is open was opened. */
  opened: { readonly line: number; readonly character: number };
  /** Its lines, with their ends. */
  readonly parts: (string | Uint8Array)[];
  /** Its last line, without its end. */
  last: string;
  lastLine: number;
  characters: number;
}

function bytesOf(parts: readonly (string | Uint8Array)[], tools: DecodeTools): Uint8Array {
  const pieces = parts.map((part) => {
    if (typeof part !== 'string') return part;
    // A character of UTF-16 has three bytes at most.
    const bytes = new Uint8Array(3 * part.length);
    return bytes.subarray(0, tools.write(part, bytes));
  });
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
