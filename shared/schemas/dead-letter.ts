/**
 * Why a record was not counted.
 *
 * - `undecodable`: the bytes are not of the source's format.
 * - `invalid`: the record does not fit the schema, or its event time or a value is not usable.
 * - `threw`: a callback of the pipeline threw. With a key, it was one of a process step: the record was counted, and has changed nothing.
 * - `too-large`: one output of the record does not fit into an exchange block.
 * - `late`: every window that the record belongs to, in the named steps, was closed before it came; in a join, what it may join might
 *   have been forgotten.
 */
export type DeadLetterReason = 'undecodable' | 'invalid' | 'threw' | 'too-large' | 'late';

/** A record that was not counted, with its reason and its position in the raw stream. */
export interface DeadLetter {
  /** Made of the position and the reason, so a letter that is sent twice can be recognised. */
  readonly id: string;
  readonly pipeline: string;
  readonly reason: DeadLetterReason;
  /** What was wrong and where, for a person. */
  readonly message: string;
  readonly source: string;
  /** The raw shard, or the file, that the record came from. */
  readonly origin: string;
  /** The raw record's sequence number; in `millrace run` the number of the line, from 1. */
  readonly sequence: string;
  /** Which record of a raw record that holds several, from 0; for late ones, which output of the raw record. */
  readonly sub: number;
  readonly partitionKey?: string;
  /** The steps that found the record late, or the step whose callback threw. */
  readonly steps?: readonly string[];
  readonly eventTimeMs?: number;
  /** Base64 of the raw bytes, cut at `deadLetterPayloadBytesMax`. */
  readonly payload?: string;
  /** What is known of a record that is behind the exchange: its key columns. */
  readonly key?: Readonly<Record<string, string | number | boolean>>;
}

/** What SQS takes as a message, and as a batch of messages together: 1 MiB since August 2025. */
export const deadLetterBytesMax = 1024 * 1024;

/** As base64 it takes a third more, which leaves 64 KiB for the other fields. */
export const deadLetterPayloadBytesMax = 720 * 1024;
