import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { CompiledSource } from '#shared/engine/compile/compile.ts';
import { describe } from '#shared/pipeline/aggregators/numeric.ts';
import { recordsPerRawMax } from '#shared/pipeline/decoder.ts';
import type { DeadLetterReason } from '#shared/schemas/dead-letter.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';

/** Event times outside the years 1 to 9999 are refused: most often they are in another unit, and one would close every window. */
export const eventTimeMsMin = -62_135_596_800_000;
export const eventTimeMsMax = endOfStreamMs;

/** A record that cannot be counted, and why. */
export interface Rejection {
  readonly kind: 'rejected';
  readonly reason: Exclude<DeadLetterReason, 'late'>;
  readonly message: string;
  /** The step whose callback threw or whose value was refused. */
  readonly step?: string;
  readonly eventTimeMs?: number;
}

/** What stands behind as many records as a raw record may hold. */
export const tooManyRecords = {
  reason: 'too-large',
  message: `the record holds more than ${recordsPerRawMax} records; put fewer into one`,
} as const;

export function undecodable(message: string): Rejection {
  return { kind: 'rejected', reason: 'undecodable', message };
}

/** A record that fits its source's schema, with its event time. */
export interface DecodedRecord {
  readonly kind: 'decoded';
  readonly value: unknown;
  readonly timeMs: number;
}

/** The record at hand of a reader, which is filled again with the next one: to make one for each costs more than to fill it. */
export class RecordAtHand implements DecodedRecord {
  readonly kind = 'decoded';
  value: unknown = undefined;
  timeMs = Number.NaN;
}

/** Checks a value against the source's schema and reads its event time, into `atHand`. */
export function validate(source: CompiledSource, raw: unknown, atHand: RecordAtHand): DecodedRecord | Rejection {
  let result: ReturnType<CompiledSource['schema']['~standard']['validate']>;
  try {
    result = source.schema['~standard'].validate(raw);
  } catch (error) {
    return { kind: 'rejected', reason: 'threw', message: `the schema threw: ${messageOf(error)}` };
  }
  if ('then' in result) {
    // Nobody waits for it, and its rejection would end the process.
    result.then(undefined, () => {});
    const thrown = thrownInZod(source.schema, raw);
    if (thrown !== undefined) return { kind: 'rejected', reason: 'threw', message: `the schema threw: ${thrown}` };
    throw new MillraceError(
      'SCHEMA_ASYNC',
      `the schema of stream ${source.plan.id} validates asynchronously, which a retried batch cannot repeat exactly. Use a schema without asynchronous checks and look things up in a step instead.`,
    );
  }
  if (result.issues !== undefined) {
    return { kind: 'rejected', reason: 'invalid', message: describeIssues(result.issues) };
  }
  return timed(source, result.value, atHand);
}

/** Reads the event time of a value that fits the source's schema, into `atHand`. */
export function timed(source: CompiledSource, value: unknown, atHand: RecordAtHand): DecodedRecord | Rejection {
  let time: unknown;
  let timeMs: number;
  try {
    time = source.timestamp(value);
    timeMs = millisecondsOf(time);
  } catch (error) {
    return { kind: 'rejected', reason: 'threw', message: `timestamp threw: ${messageOf(error)}` };
  }
  if (!(timeMs >= eventTimeMsMin && timeMs <= eventTimeMsMax))
    return { kind: 'rejected', reason: 'invalid', message: describeTime(timeMs, time) };
  atHand.value = value;
  atHand.timeMs = Math.floor(timeMs);
  return atHand;
}

/**
 * What a callback of a Zod schema threw on this value, as a text. Zod answers a throw as it answers a promise: it tries again, now
 * asynchronously. Its synchronous parse tells them apart, for it throws the callback's own error, and for a promise its own class.
 */
function thrownInZod(schema: object, raw: unknown): string | undefined {
  if (!('_zod' in schema && 'safeParse' in schema && typeof schema.safeParse === 'function')) return undefined;
  try {
    schema.safeParse(raw);
  } catch (error) {
    // By name: the class has no code, and each copy of Zod has its own.
    const { name } = (error as { readonly constructor?: { readonly name?: string } } | null)?.constructor ?? {};
    return name === '$ZodAsyncError' ? undefined : messageOf(error);
  }
  return undefined;
}

/** What is neither a number nor a Date is no time: null, an empty text and false would be 1970. */
function millisecondsOf(time: unknown): number {
  return typeof time === 'number' || (typeof time === 'object' && time !== null) ? Number(time) : Number.NaN;
}

const issuesShownMax = 5;

/** What a schema finds wrong, the first few things. */
export function describeIssues(issues: readonly StandardSchemaV1.Issue[]): string {
  const texts = issues.slice(0, issuesShownMax).map(({ message, path = [] }) => {
    const at = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
    return at === '' ? message : `${at}: ${message}`;
  });
  return texts.join('; ');
}

function describeTime(timeMs: number, time: unknown): string {
  if (Number.isNaN(timeMs))
    return `timestamp gives ${describe(time)}, which is not a time; give milliseconds since 1970, such as Date.parse(text), or a Date`;
  return `the event time is ${timeMs} ms since 1970, outside the years 1 to 9999; is it in microseconds or nanoseconds?`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
