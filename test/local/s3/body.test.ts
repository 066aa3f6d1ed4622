import { expect, test } from 'vitest';
import { joinChunks } from '#local/s3/body.ts';

const raw = (text: string): Buffer => Buffer.from(text, 'latin1');

test('chunks are joined without their framing', () => {
  const { bytes } = joinChunks(raw('3;chunk-signature=ab\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n'));
  expect(bytes.toString()).toBe('abc0123456789');
});

test('bytes that look like framing stay what they are', () => {
  const { bytes } = joinChunks(raw('7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n'));
  expect(bytes.toString()).toBe('\r\n0\r\n\r\n');
});

test('a body without chunks is empty', () => {
  expect(joinChunks(raw('0\r\n\r\n')).bytes).toHaveLength(0);
});

test('trailers come with their values', () => {
  const { trailers } = joinChunks(raw('1\r\na\r\n0\r\nx-amz-checksum-crc32:6Le+Qw==\r\nOther: b:c \r\n\r\n'));
  expect(trailers).toEqual({ 'x-amz-checksum-crc32': '6Le+Qw==', other: 'b:c' });
});

test.each(['', '5\r\nab', '2\r\nabc\r\n0\r\n\r\n', '2\r\nab\r\n', '2\r\nabXX0\r\n\r\n', 'zz\r\nab\r\n', '-1\r\n\r\n'])(
  'the torn body %j is refused',
  (text) => {
    expect(() => joinChunks(raw(text))).toThrow(expect.objectContaining({ code: 'IncompleteBody' }));
  },
);
