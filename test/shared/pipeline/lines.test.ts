import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { walkLines } from '#shared/pipeline/lines.ts';

function linesOf(text: string): [string, number][] {
  const lines: [string, number][] = [];
  walkLines(text, (line, index) => lines.push([line, index]));
  return lines;
}

describe('walkLines', () => {
  test.each([
    ['', []],
    ['a', [['a', 0]]],
    ['a\n', [['a', 0]]],
    [
      'a\nb',
      [
        ['a', 0],
        ['b', 1],
      ],
    ],
    [
      'a\r\nb\r\n',
      [
        ['a', 0],
        ['b', 1],
      ],
    ],
    [
      '\n\na\n\n\r\nb\n\n',
      [
        ['a', 2],
        ['b', 5],
      ],
    ],
    ['\r\n', []],
    ['a\rb', [['a\rb', 0]]],
    ['a\r', [['a', 0]]],
    [' ', [[' ', 0]]],
  ])('of %j gives %j', (text, expected) => {
    expect(linesOf(text)).toEqual(expected);
  });

  test('gives what splitting at every line end gives, without the empty ones', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '\n', '\r', '\r\n', 'é') }), (text) => {
        const expected = text
          .split('\n')
          .map((line, index): [string, number] => [line.endsWith('\r') ? line.slice(0, -1) : line, index])
          .filter(([line]) => line !== '');
        expect(linesOf(text)).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
  });
});
