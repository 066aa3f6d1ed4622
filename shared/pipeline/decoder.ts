import type { Json } from './aggregator.ts';

/**
 * Turns the bytes of a raw record into values for the schema. A raw record may hold many: the lines of a text (`LineDecoder`), or the
 * messages of a binary format (`BytesDecoder`). Whatever the bytes are, a decoder gives a value or says what is wrong with them.
 */
export type Decoder = LineDecoder | BytesDecoder;

interface Format {
  /** Names the format on the command line and in the plan: `json`, `csv`, `combined`. */
  readonly format: string;
  readonly config: { readonly [name: string]: Json };
}

/** A format of lines, each of which is one record, a part of one (`spanning`) or, as a header, none. */
export interface LineDecoder extends Format {
  /** A cheap look at whether the line is of this format; a source with several formats takes the first that says yes. */
  readonly recognises: (line: string) => boolean;
  /** The decoded value, or `undefined` for a line that holds no record (a header). Throws an Error that says what is wrong and where. */
  readonly decodeLine: (line: string, context?: DecodeContext) => unknown;
  /** Every line is a JSON value and nothing else is done to it, so that whoever knows the schema may read it otherwise. */
  readonly isJson?: true;
  /** For formats whose records may span lines. All lines of a record then come to `decodeLine` as one text. */
  readonly spanning?: Spanning;
  /** For formats whose lines depend on those before them: the decoder of one raw record, or of one file, begun afresh. */
  readonly begin?: () => BegunDecoder;
}

export interface Spanning {
  /** A text without it opens nothing. */
  readonly sign: string;
  /**
   * Where in the line, from 0, that begins which the next line goes on with; -1 when it began in a line before (`isOpen`), and undefined
   * when the record ends with this line.
   */
  readonly openAt: (line: string, isOpen: boolean) => number | undefined;
}

export interface BegunDecoder extends Pick<LineDecoder, 'decodeLine'> {
  /** A text that gives the record of this line, whatever stands before it: what a dead letter shows, and what may be sent again. */
  readonly standAlone: (line: string) => string;
}

/** A format that is no lines of text, or in which one value takes several lines. */
export interface BytesDecoder extends Format {
  /** Whether a raw record, or a file, that begins so is of this format. Asked only where the source has other formats too. */
  readonly recognisesBytes: (start: Uint8Array) => boolean;
  /**
   * The values in the bytes, in their order, which is what tells them apart (rule 2): the same bytes give the same. Throws an Error that
   * says what is wrong and where; what was given before stands, and the whole of the bytes is one rejection behind it.
   */
  readonly decodeBytes: (bytes: Uint8Array, context: BytesContext) => Iterable<DecodedPart>;
}

/**
 * A value, or why there is none. `payload` is what a dead letter shows and what may be sent again: it gives this part and, where a format
 * cannot cut them apart, those around it. It is read at once or not at all.
 */
export type DecodedPart =
  | { readonly value: unknown; readonly payload: string | Uint8Array }
  | { readonly wrong: string; readonly payload: string | Uint8Array };

/** What is known of a raw record beside its bytes. */
export interface DecodeContext {
  /** When Kinesis took it; unknown for a file. The same in every attempt. */
  readonly arrivalMs?: number;
}

export interface BytesContext extends DecodeContext {
  readonly tools: DecodeTools;
  /** What the bytes may yet decompress to, all parts together. */
  readonly roomBytes: number;
}

/** What a decoder cannot do by itself, since it is pure: the host lends it. */
export interface DecodeTools {
  /** The text of bytes in UTF-8; undefined when they are none. */
  readonly text: (bytes: Uint8Array) => string | undefined;
  /** The text of the ASCII bytes from `start` to `end`. */
  readonly ascii: (bytes: Uint8Array, start: number, end: number) => string;
  /** Writes a text as UTF-8 into the start of `into`, as much of it as fits. Gives the bytes: as many as the text has characters when all of it is there and ASCII. */
  readonly write: (text: string, into: Uint8Array) => number;
  /** What was compressed; throws an Error when the bytes are not whole, or hold more than `bytesMax`. */
  readonly decompress: (
    bytes: Uint8Array,
    options: { readonly kind: Compression; readonly bytesMax: number },
  ) => Uint8Array;
}

/** `deflate` is without a frame (RFC 1951), as Avro's files have it. */
export type Compression = 'gzip' | 'zstd' | 'deflate';

/** What one raw record may hold when it is decompressed. More is a bomb, and is rejected. */
export const decompressedBytesMax = 64 * 1024 * 1024;

/** What one raw record may hold in records: more than fits into the largest uncompressed record of 1 MiB. */
export const recordsPerRawMax = 1_000_000;
