import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deaggregate, userRecordsMax } from '#shared/runtime/deaggregate.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { aggregate, sealed } from './aggregated.ts';

const utf8 = new TextEncoder();

/** A field of protobuf whose value is bytes; shorter than 128. */
function field(number: number, bytes: Uint8Array | readonly number[]): readonly number[] {
  return [number * 8 + 2, bytes.length, ...bytes];
}

/** An AggregatedRecord with the partition key `p`, and the fields of its records. */
function messageOf(...records: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from([...field(1, utf8.encode('p')), ...records.flatMap((one) => field(3, one))]);
}

const index = [0x08, 0x00];
const data = field(3, utf8.encode('a'));

describe('an aggregate', () => {
  test('becomes its records, in their order, with their partition keys', () => {
    const records = [
      { partitionKey: 'p', bytes: utf8.encode('one') },
      { partitionKey: 'q', bytes: utf8.encode('two'), explicitHashKey: '340282366920938463463374607431768211455' },
      { partitionKey: 'p', bytes: new Uint8Array() },
      { partitionKey: 'p', bytes: new Uint8Array(300_000).fill(7) },
      { partitionKey: 'ключ', bytes: Uint8Array.of(0xff, 0x00) },
    ];
    expect(plain(deaggregate(aggregate(records)))).toEqual(plain(records));
  });

  test(
    'of whatever records becomes those records again',
    () => {
      const record = fc.record({
        // The aggregator keeps its keys in an object, which sorts whole numbers and has a prototype.
        partitionKey: fc.string({ minLength: 1, maxLength: 40 }).map((text) => `k${text}`),
        bytes: fc.uint8Array({ maxLength: 300 }),
      });
      fc.assert(
        fc.property(fc.array(record, { minLength: 1, maxLength: 200 }), (records) => {
          expect(plain(deaggregate(aggregate(records)))).toEqual(plain(records));
        }),
        { numRuns: 300 },
      );
    },
    fuzzTimeoutMs,
  );

  test('that fills a record of Kinesis becomes all of its records', () => {
    const records = Array.from({ length: 50_000 }, (_, number) => ({
      partitionKey: `k${number % 1_000}`,
      bytes: utf8.encode(String(number).padStart(10, '0')),
    }));
    const bytes = aggregate(records);
    expect(bytes.length).toBeGreaterThan(800_000);
    expect(plain(deaggregate(bytes))).toEqual(plain(records));
  });

  test('may have fields that we do not know, and tags', () => {
    const unknown = [9 * 8, 0x96, 0x01, 10 * 8 + 1, 1, 2, 3, 4, 5, 6, 7, 8, 11 * 8 + 5, 1, 2, 3, 4];
    const tagged = [...index, ...data, ...field(4, field(1, utf8.encode('tag'))), ...unknown];
    const message = Uint8Array.from([...unknown, ...messageOf(tagged), ...unknown]);
    expect(plain(deaggregate(sealed(message)))).toEqual([['p', 'a']]);
  });

  test('may name its partition keys behind its records', () => {
    const message = Uint8Array.from([...field(3, [...index, ...data]), ...field(1, utf8.encode('p'))]);
    expect(plain(deaggregate(sealed(message)))).toEqual([['p', 'a']]);
  });

  test('that holds too many records is told apart from one that is broken', () => {
    const one = field(3, [...index, ...field(3, [])]);
    const key = Uint8Array.from(field(1, utf8.encode('p')));
    const full = Buffer.alloc(userRecordsMax * one.length, Uint8Array.from(one));
    expect(deaggregate(sealed(Buffer.concat([key, full])))).toHaveLength(userRecordsMax);
    expect(deaggregate(sealed(Buffer.concat([key, full, Uint8Array.from(one)])))).toBe('too-many');
  });
});

describe('an ordinary record', () => {
  const whole = aggregate([{ partitionKey: 'p', bytes: utf8.encode('one') }]);

  test.each<readonly [string, Uint8Array]>([
    ['empty', new Uint8Array()],
    ['a text', utf8.encode('{"a":1}')],
    ['the magic number alone', whole.subarray(0, 4)],
    ['the magic number and less than a checksum', whole.subarray(0, 19)],
    ['no message between magic number and checksum', sealed(new Uint8Array())],
    ['an aggregate with another magic number', whole.map((byte, at) => (at === 3 ? byte + 1 : byte))],
    ['an aggregate that was cut', whole.subarray(0, -1)],
    ['an aggregate with a wrong checksum', whole.map((byte, at) => (at === whole.length - 1 ? byte ^ 1 : byte))],
    ['an aggregate with a changed message', whole.map((byte, at) => (at === 6 ? byte ^ 1 : byte))],
    ['an index without its partition key', sealed(messageOf([0x08, 0x01, ...data]))],
    ['an index beyond every table', sealed(messageOf([0x08, ...Array(9).fill(0xff), 0x01, ...data]))],
    ['a record without a partition key', sealed(messageOf(data))],
    ['a record without data', sealed(messageOf(index))],
    ['a record that is longer than the message', sealed(messageOf([...index, ...data]).slice(0, -1))],
    ['data that are longer than their record', sealed(messageOf([...index, 0x1a, 0x05, 0x61]))],
    ['a number that does not end', sealed(messageOf([0x08, ...Array(10).fill(0x80), 0x00, ...data]))],
    ['a number that is cut', sealed(Uint8Array.from([0x08, 0x80]))],
    ['a type of field that there is not', sealed(Uint8Array.from([0x0f, 0x00]))],
  ])('is %s', (_, bytes) => {
    expect(deaggregate(bytes)).toBeUndefined();
  });

  test(
    'is what is no aggregate, whatever it is: nothing throws',
    () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 60 }), (message) => {
          expect(() => deaggregate(sealed(message))).not.toThrow();
          expect(deaggregate(message)).toBeUndefined();
        }),
        { numRuns: 10_000 },
      );
    },
    fuzzTimeoutMs,
  );
});

function plain(records: ReturnType<typeof deaggregate>) {
  return Array.isArray(records)
    ? records.map(({ partitionKey, bytes }) => [partitionKey, Buffer.from(bytes).toString('latin1')])
    : records;
}
