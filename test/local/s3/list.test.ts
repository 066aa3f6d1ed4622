import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ListPage, listPage } from '#local/s3/list.ts';

const all = { prefix: '', delimiter: '', startAfter: '', entriesMax: 1_000 };

function sorted(keys: readonly string[]): string[] {
  return [...new Set(keys)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** All pages, one after the other. */
function pagesOf(keys: readonly string[], request: typeof all): ListPage[] {
  const pages = [listPage(keys, request)];
  for (let token = pages[0]?.nextToken; token !== undefined; token = pages.at(-1)?.nextToken) {
    pages.push(listPage(keys, { ...request, continuationToken: token }));
  }
  return pages;
}

test('a delimiter gathers what is behind it into one common prefix', () => {
  const keys = sorted(['a/1', 'a/b/2', 'a/b/3', 'a/c/', 'c']);
  expect(listPage(keys, { ...all, prefix: 'a/', delimiter: '/' })).toEqual({
    keys: ['a/1'],
    commonPrefixes: ['a/b/', 'a/c/'],
  });
});

test('a common prefix that a page ends with does not come again', () => {
  const keys = sorted(['a/1', 'a/2', 'a/3', 'b']);
  const pages = pagesOf(keys, { ...all, delimiter: '/', entriesMax: 1 });
  expect(pages.map((page) => [page.keys, page.commonPrefixes])).toEqual([
    [[], ['a/']],
    [['b'], []],
  ]);
});

test('a key that ends with the delimiter does not hide what is below it on the next page', () => {
  const keys = sorted(['a/', 'a/1']);
  const pages = pagesOf(keys, { ...all, prefix: 'a/', delimiter: '/', entriesMax: 1 });
  expect(pages.flatMap((page) => page.keys)).toEqual(['a/', 'a/1']);
});

test('a page that ends with the last key has no next', () => {
  expect(listPage(['a', 'b'], { ...all, entriesMax: 2 })).toEqual({ keys: ['a', 'b'], commonPrefixes: [] });
});

test('listing begins behind a key that need not be there', () => {
  expect(listPage(['a', 'c'], { ...all, startAfter: 'b' }).keys).toEqual(['c']);
  expect(listPage(['a', 'c'], { ...all, startAfter: 'a' }).keys).toEqual(['c']);
});

test('no entries asked for are none, and no next', () => {
  expect(listPage(['a'], { ...all, entriesMax: 0 })).toEqual({ keys: [], commonPrefixes: [] });
});

test('a token that is none is refused', () => {
  expect(() => listPage(['a'], { ...all, continuationToken: 'x' })).toThrow(
    expect.objectContaining({ code: 'InvalidArgument' }),
  );
});

test('pages of any size give what one page without end gives, for any keys', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\uFFFD', '\u{1F4A7}'), minLength: 1, maxLength: 5 });
  const property = fc.property(
    fc.array(key, { maxLength: 20 }),
    fc.constantFrom('', 'a', 'a/'),
    fc.constantFrom('', '/', 'a'),
    fc.integer({ min: 1, max: 5 }),
    (keys, prefix, delimiter, entriesMax) => {
      const whole = naiveList(sorted(keys), prefix, delimiter);
      const pages = pagesOf(sorted(keys), { ...all, prefix, delimiter, entriesMax });
      expect(pages.flatMap((page) => page.keys)).toEqual(whole.keys);
      expect(pages.flatMap((page) => page.commonPrefixes)).toEqual(whole.commonPrefixes);
      expect(pages.slice(0, -1).every((page) => page.keys.length + page.commonPrefixes.length === entriesMax)).toBe(
        true,
      );
    },
  );
  fc.assert(property, { numRuns: 2_000 });
});

function naiveList(keys: readonly string[], prefix: string, delimiter: string) {
  const below = keys.filter((key) => key.startsWith(prefix));
  const isRolledUp = (key: string): boolean => delimiter !== '' && key.slice(prefix.length).includes(delimiter);
  const prefixes = below
    .filter(isRolledUp)
    .map((key) => prefix + key.slice(prefix.length).split(delimiter)[0] + delimiter);
  return { keys: below.filter((key) => !isRolledUp(key)), commonPrefixes: [...new Set(prefixes)] };
}
