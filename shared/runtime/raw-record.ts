import type { DecodedRecord, Rejection } from '#shared/engine/decode/decode.ts';
import type { Preprocessor } from '#shared/engine/transform/preprocess.ts';
import { decompressedBytesMax } from '#shared/pipeline/decoder.ts';
import { watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import { deaggregate, userRecordsMax } from './deaggregate.ts';
import { compressionOf, decompress } from './decode-tools.ts';
import { attemptsMax } from './lone-record.ts';

/** A record of a raw stream. It may be an aggregate of the Kinesis Producer Library; its records are then told apart. */
export interface RawRecord {
  readonly sequence: string;
  readonly partitionKey: string;
  readonly bytes: Uint8Array;
  readonly arrivalMs: number;
}

/** What is in a raw record, part by part. `record` is the raw record, or the one of an aggregate. */
export interface RawVisitor {
  /** A record was taken by the preprocessor, whose reader says where it stands. */
  readonly taken: (record: RawRecord, taken: DecodedRecord | Rejection) => void;
  readonly punctuation: (record: RawRecord, index: number) => void;
  /** All of `record` cannot be read. */
  readonly rejected: (record: RawRecord, index: number, rejection: Rejection) => void;
}

/** For whom what is met on the way is enough, such as lookups and what callbacks do. */
export const visitNothing: RawVisitor = {
  taken: () => undefined,
  punctuation: () => undefined,
  rejected: () => undefined,
};

/** The places of all user records that a raw record holds. */
export function placesIn(record: RawRecord): ReadonlySet<number> {
  const userRecords = deaggregate(record.bytes);
  return new Set(Array.isArray(userRecords) ? userRecords.keys() : [0]);
}

/**
 * Takes what a raw record holds through the preprocessor. A pure function of the record, of what is looked up, and of which of its user records,
 * by their places, are poison: these are rejected unread.
 */
export function readRaw(
  preprocessor: Preprocessor,
  record: RawRecord,
  visitor: RawVisitor,
  poison: ReadonlySet<number> = noPlaces,
): void {
  const userRecords = deaggregate(record.bytes) ?? [record];
  if (userRecords === 'too-many') {
    const message = `the record is an aggregate of more than ${userRecordsMax} records; aggregate fewer`;
    visitor.rejected(record, 0, { kind: 'rejected', reason: 'too-large', message });
    return;
  }
  // What all its user records together may decompress to, so that none of them is a bomb.
  const room = { bytes: decompressedBytesMax };
  // Rule 2: the lines are counted on from one user record to the next.
  let index = 0;
  for (const [place, userRecord] of userRecords.entries()) {
    const part = { ...record, ...userRecord };
    if (poison.has(place)) {
      const message = `a callback killed the process or ran out of time on this record ${attemptsMax} times`;
      visitor.rejected(part, index, { kind: 'rejected', reason: 'threw', message });
      index += 1;
      continue;
    }
    if (part.partitionKey === watermarkPartitionKey) {
      visitor.punctuation(part, index);
      index += 1;
      continue;
    }
    const unpacked = unpack(preprocessor, part, room);
    if (unpacked instanceof Uint8Array) {
      const { reader } = preprocessor;
      reader.begin({ arrivalMs: part.arrivalMs }, { index });
      preprocessor.takeBytes(unpacked, (taken) => visitor.taken(part, taken));
      index = reader.index;
      continue;
    }
    visitor.rejected(part, index, unpacked);
    index += 1;
  }
}

export const noPlaces: ReadonlySet<number> = new Set();

/** The record's bytes as they were before they were compressed, if they were. */
function unpack(preprocessor: Preprocessor, record: RawRecord, room: { bytes: number }): Uint8Array | Rejection {
  const kind = compressionOf(record.bytes);
  if (kind === undefined) return record.bytes;
  const bytes = decompress(record.bytes, { kind, bytesMax: room.bytes });
  if (bytes === 'too-large') {
    const message = `the record holds more than ${decompressedBytesMax} bytes when it is decompressed (${kind}); put less into one`;
    return { kind: 'rejected', reason: 'too-large', message };
  }
  if (bytes instanceof Error) {
    // Numbers of a binary format may look like it, so the format is asked, and no text begins so.
    if (!preprocessor.reader.readsLines(record.bytes)) return record.bytes;
    const message = `the record begins as ${kind} does, and cannot be decompressed: ${bytes.message}`;
    return { kind: 'rejected', reason: 'undecodable', message };
  }
  room.bytes -= bytes.length;
  return bytes;
}
