import { expect, test } from 'vitest';
import { parseRange } from '#local/s3/condition.ts';

test.each([
  ['bytes=0-0', { from: 0, to: 0 }],
  ['bytes=2-5', { from: 2, to: 5 }],
  ['bytes=8-', { from: 8, to: 9 }],
  ['bytes=8-99', { from: 8, to: 9 }],
  ['bytes=-3', { from: 7, to: 9 }],
  ['bytes=-99', { from: 0, to: 9 }],
])('%s of 10 bytes', (header, range) => {
  expect(parseRange(header, 10)).toEqual(range);
});

test.each([undefined, 'bytes=-', 'bytes=5-2', 'bytes=0-1,3-4', 'lines=0-1'])('%s asks for all', (header) => {
  expect(parseRange(header, 10)).toBeUndefined();
});

test.each([
  ['bytes=10-', 10],
  ['bytes=-0', 10],
  ['bytes=0-0', 0],
  ['bytes=-1', 0],
])('%s of %i bytes cannot be had', (header, bytesCount) => {
  expect(() => parseRange(header, bytesCount)).toThrow(expect.objectContaining({ code: 'InvalidRange' }));
});
