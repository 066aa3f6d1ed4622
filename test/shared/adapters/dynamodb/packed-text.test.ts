import { expect, test } from 'vitest';
import { packFromBytes, packText, unpackText } from '#shared/adapters/dynamodb/packed-text.ts';

test('a text that is shorter than what DynamoDB bills stays readable', () => {
  const text = 'a'.repeat(packFromBytes - 1);
  expect(packText('body', text)).toEqual({ attributes: { body: { S: text } }, bytes: text.length });
});

test('a text as long as that is packed', () => {
  expect(packText('body', 'a'.repeat(packFromBytes)).bytes).toBeLessThan(100);
});

test('a longer text is stored in fewer bytes, and read as it was', () => {
  const text = 'é'.repeat(packFromBytes);
  const { attributes, bytes } = packText('body', text);
  expect(Object.keys(attributes)).toEqual(['bodyZstd']);
  expect(attributes['bodyZstd']?.B?.byteLength).toBe(bytes);
  expect(bytes).toBeLessThan(100);
  expect(unpackText('body', attributes)).toBe(text);
});
