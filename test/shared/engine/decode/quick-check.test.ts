import { expect, test } from 'vitest';
import * as z from 'zod';
import { quickCheckOf } from '#shared/engine/decode/quick-check.ts';
import { RecordReader } from '#shared/engine/decode/record-reader.ts';
import { json, nullable, number, optional, record, string } from '#shared/pipeline/index.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { sourceOf } from '../../../fuzz/decoders.ts';

// What it says of any value is held beside the schema by the fuzz targets `scanner-*`.

const schema = record({ ip: string(), bytes: number(), note: optional(nullable(string())) });
const source = sourceOf(json(), schema);
const check = quickCheckOf(source);

test('a value that fits becomes the record of the schema', () => {
  for (const value of [
    { ip: 'a', bytes: 1 },
    { note: null, bytes: 1.5, ip: 'a' },
    { ip: 'a', bytes: -0, note: 'x' },
  ])
    expect(JSON.stringify(check?.(value))).toBe(JSON.stringify(validOf(value)));
});

test.each([
  ['no object', 'a'],
  ['null', null],
  ['a list', [1]],
  ['a text for a number', { ip: 'a', bytes: '1' }],
  ['no number', { ip: 'a', bytes: Number.NaN }],
  ['a field that is missing', { ip: 'a' }],
  ['null where it may not be', { ip: null, bytes: 1 }],
  ['another field, which the schema may refuse', { ip: 'a', bytes: 1, more: 1 }],
  ['an optional field that is undefined', { ip: 'a', bytes: 1, note: undefined }],
  ['fields of a prototype', Object.create({ ip: 'a', bytes: 1 })],
])('%s is the business of the schema', (_, value) => {
  expect(check?.(value)).toBeUndefined();
});

test('a getter that throws is asked again by the schema, which says so', () => {
  const value = {
    bytes: 1,
    get ip(): string {
      throw new Error('no ip');
    },
  };
  expect(check?.(value)).toBeUndefined();
  expect(new RecordReader(source, decodeTools).readValue(value)).toMatchObject({
    reason: 'threw',
    message: 'the schema threw: no ip',
  });
});

test('a field that the shape cannot express is judged by its own schema', () => {
  const even = sourceOf(json(), z.object({ n: z.number().refine((n) => n % 2 === 0), at: z.string() }));
  expect(quickCheckOf(even)?.({ n: 2, at: 'x' })).toEqual({ n: 2, at: 'x' });
  expect(quickCheckOf(even)?.({ n: 1, at: 'x' })).toBeUndefined();
});

test('null is none of numbers that JSON cannot write', () => {
  const odd = sourceOf(json(), z.object({ n: z.literal([Number.NaN, Number.POSITIVE_INFINITY, 1]) }));
  expect(quickCheckOf(odd)?.({ n: 1 })).toEqual({ n: 1 });
  expect(quickCheckOf(odd)?.({ n: null })).toBeUndefined();
});

test('a schema without one shape has no quick check', () => {
  const one = { '~standard': schema['~standard'] };
  const several = z.union([z.object({ a: z.number() }), z.object({ b: z.number() })]);
  for (const other of [one, several, z.object({ a: z.number() }).refine(() => true)])
    expect(quickCheckOf(sourceOf(json(), other))).toBeUndefined();
});

function validOf(value: unknown): unknown {
  const result = schema['~standard'].validate(value);
  return 'value' in result ? result.value : undefined;
}
