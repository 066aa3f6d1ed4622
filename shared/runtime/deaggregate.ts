import { createHash } from 'node:crypto';
import { aggregateMagicNumber } from '#shared/schemas/aggregate.ts';

/** A record as its producer made it. */
export interface UserRecord {
  readonly partitionKey: string;
  readonly bytes: Uint8Array;
}

/** More than a record of 1 MiB can hold. */
export const userRecordsMax = 200_000;

/**
 * The user records that the Kinesis Producer Library has packed into one record of Kinesis, in their order; undefined when the record is
 * an ordinary one. So is one whose checksum is wrong or whose message is not whole, as Amazon's consumer library has it.
 */
export function deaggregate(bytes: Uint8Array): readonly UserRecord[] | 'too-many' | undefined {
  if (!aggregateMagicNumber.every((byte, index) => bytes[index] === byte)) return undefined;
  const message = bytes.subarray(aggregateMagicNumber.length, -md5Bytes);
  const md5 = bytes.subarray(-md5Bytes);
  if (message.length === 0 || !createHash('md5').update(message).digest().equals(md5)) return undefined;
  const partitionKeys: string[] = [];
  const messages: Uint8Array[] = [];
  const isWhole = walkFields(message, (field, value) => {
    if (typeof value === 'number') return;
    if (field === 1) partitionKeys.push(utf8.decode(value));
    if (field === 3 && messages.length <= userRecordsMax) messages.push(value);
  });
  if (!isWhole) return undefined;
  if (messages.length > userRecordsMax) return 'too-many';
  const records = messages.map((one) => userRecordOf(one, partitionKeys));
  return records.every((record) => record !== undefined) ? records : undefined;
}

const md5Bytes = 16;
const utf8 = new TextDecoder();

/** A Record: the index of its partition key (1) and its data (3). Nobody asks for its hash key (2) and its tags (4). */
function userRecordOf(message: Uint8Array, partitionKeys: readonly string[]): UserRecord | undefined {
  const found: { partitionKey?: string | undefined; bytes?: Uint8Array } = {};
  const isWhole = walkFields(message, (field, value) => {
    if (field === 1 && typeof value === 'number') found.partitionKey = partitionKeys[value];
    if (field === 3 && typeof value !== 'number') found.bytes = value;
  });
  const { partitionKey, bytes } = found;
  return isWhole && partitionKey !== undefined && bytes !== undefined ? { partitionKey, bytes } : undefined;
}

/** A varint has ten bytes at most. Those beyond a safe integer are no index and no length that there is, however they are rounded. */
const varintScaleMax = 128 ** 9;

/**
 * Calls `visit` for the fields of a protobuf message that hold a varint or bytes; false when the message is not whole.
 * https://protobuf.dev/programming-guides/encoding/
 */
function walkFields(message: Uint8Array, visit: (field: number, value: number | Uint8Array) => void): boolean {
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let scale = 1; scale <= varintScaleMax; scale *= 128) {
      const byte = message[at] ?? Number.NaN;
      at += 1;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
    return Number.NaN;
  };
  while (at < message.length) {
    const tag = readVarint();
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        visit(field, readVarint());
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = readVarint();
        visit(field, message.subarray(at, at + length));
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        return false;
    }
    if (!(at <= message.length)) return false;
  }
  return true;
}
