import { demand, KinesisError } from './error.ts';
import { iteratorLifetimeMs } from './limits.ts';
import { parseSequenceNumber } from './sequence.ts';
import type { Shard, StartingPoint } from './types.ts';
import { type Fields, parseFields, textOf, timestampMsOf } from './wire-fields.ts';

/** What a shard iterator stands for. Clients take it as an opaque text. */
export interface Iterator {
  readonly streamName: string;
  /** Tells a stream from a later one of its name. */
  readonly streamCreatedMs: number;
  readonly shardId: string;
  readonly from: StartingPoint;
}

export function encodeIterator(iterator: Iterator, nowMs: number): string {
  return Buffer.from(JSON.stringify({ ...iterator, issuedMs: nowMs })).toString('base64');
}

/** https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html: it expires after five minutes. */
export function decodeIterator(text: string, nowMs: number): Iterator {
  const iterator = parseIterator(text);
  const ageMs = nowMs - iterator.issuedMs;
  if (ageMs <= iteratorLifetimeMs) return iterator;
  throw new KinesisError(
    'ExpiredIteratorException',
    `Iterator expired. It was made ${ageMs} ms ago, and one is good for ${iteratorLifetimeMs} ms.`,
  );
}

/** A starting position as GetShardIterator and SubscribeToShard write it; `type` has a name of its own in each. */
export function startingPointOf(
  fields: Fields,
  request: { readonly type: string; readonly sequenceNumber: string; readonly shard: Shard; readonly nowMs: number },
): StartingPoint {
  const type = textOf(fields, request.type);
  switch (type) {
    case 'TRIM_HORIZON':
    case 'LATEST':
      return { type };
    case 'AT_TIMESTAMP': {
      const timestampMs = timestampMsOf(fields, 'Timestamp');
      demand(
        timestampMs <= request.nowMs,
        'InvalidArgumentException',
        () => `The timestamp ${timestampMs} is later than now, ${request.nowMs}.`,
      );
      return { type, timestampMs };
    }
    case 'AT_SEQUENCE_NUMBER':
    case 'AFTER_SEQUENCE_NUMBER': {
      const sequenceNumber = textOf(fields, request.sequenceNumber);
      demandFromShard(sequenceNumber, request.shard);
      return { type, sequenceNumber };
    }
    default:
      throw new KinesisError('ValidationException', `${request.type} '${type}' is not a place to begin at.`);
  }
}

function demandFromShard(text: string, shard: Shard): void {
  const given = parseSequenceNumber(text);
  const own = parseSequenceNumber(shard.startingSequenceNumber);
  demand(
    given !== undefined && given.shardIndex === own?.shardIndex && given.createdSecond === own.createdSecond,
    'InvalidArgumentException',
    () => `StartingSequenceNumber ${text} is invalid: it did not come from shard ${shard.shardId}.`,
  );
}

function parseIterator(text: string): Iterator & { readonly issuedMs: number } {
  try {
    const fields = parseFields(Buffer.from(text, 'base64').toString());
    textOf(fields, 'streamName');
    textOf(fields, 'shardId');
    // Only we write iterators, and nothing but its own reading comes to harm by a forged one.
    return fields as unknown as Iterator & { readonly issuedMs: number };
  } catch {
    throw new KinesisError('InvalidArgumentException', 'Invalid ShardIterator.');
  }
}
