import type { WriteStream } from 'node:tty';
import { expect, test } from 'vitest';
import { createScreen } from '#cli/screen.ts';

/** What a terminal is sent, without the codes that move its cursor. */
function drawn(
  size: { readonly columns: number; readonly rows: number },
  lines: readonly string[],
  notes: readonly string[],
) {
  let sent = '';
  const terminal = { ...size, write: (text: string) => (sent += text) } as unknown as WriteStream;
  createScreen(terminal).draw(lines, notes);
  return sent.split('\n').map((line) => line.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d*[A-Z]`, 'g'), ''));
}

test('lines are cut at the edge, and notes go on in the next line', () => {
  expect(drawn({ columns: 6, rows: 9 }, ['123456789', ''], ['abcdefgh'])).toEqual(['12345', '', 'abcde', 'fgh', '']);
});

test('where there is no room for all, notes stay', () => {
  expect(drawn({ columns: 6, rows: 4 }, ['1', '2', '3', '4'], ['abcdefgh'])).toEqual(['1', 'abcde', 'fgh', '']);
});

test('a terminal without a size is taken for one of 80 columns and 24 rows', () => {
  const lines = Array.from({ length: 30 }, () => 'x'.repeat(90));
  expect(drawn({ columns: 0, rows: 0 }, lines, ['ab'])).toEqual([...Array(22).fill('x'.repeat(79)), 'ab', '']);
});

test('the smallest terminal is drawn on', () => {
  expect(drawn({ columns: 1, rows: 1 }, ['12'], [])).toEqual(['1', '']);
  expect(drawn({ columns: 1, rows: 1 }, ['12'], ['ab'])).toEqual(['a', '']);
});
