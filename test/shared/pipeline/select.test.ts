import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as z from 'zod';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { plainOf } from '#shared/pipeline/aggregators/json-order.ts';
import { days, dynamodb, pipeline, seconds, stream } from '#shared/pipeline/index.ts';
import { charactersAtMost } from '#shared/pipeline/join.ts';
import { canonicalJson } from '#shared/pipeline/plan-hash.ts';
import { keyColumnsOf, type SelectedColumns } from '#shared/pipeline/select.ts';

interface Entry {
  readonly ts: number;
  readonly text: string;
  readonly size: number;
}

const entries = stream('entries', {
  schema: z.object({ ts: z.number(), text: z.string(), size: z.number() }),
  timestamp: (entry) => entry.ts,
  outOfOrderness: seconds(0),
});

/** Where rows without a key lie, and what they are. */
function spreadOf(columns: SelectedColumns<Entry>) {
  const { bindings } = pipeline('spread', [entries.select('rows', columns).to(dynamodb({ ttl: days(1) }))]);
  const key = bindings.get('entries/key');
  const rows = bindings.get('rows');
  if (key?.op !== 'key' || rows?.op !== 'select') throw new Error('the pipeline has other steps');
  return {
    partOf: (entry: Entry) => keyColumnsOf(key, entry, entry.ts)['part'] as number,
    rowOf: (entry: Entry) => rows.row(entry),
  };
}

const numbers = Array.from({ length: 10_000 }, (_, at) => at);

test.each<readonly [string, SelectedColumns<Entry>, (at: number) => Entry]>([
  ['the same row, at other times', { size: ({ size }) => size }, (at) => ({ ts: at, text: '', size: 1 })],
  ['rows that differ in a number', { size: ({ size }) => size }, (at) => ({ ts: 0, text: '', size: at })],
  ['in what stands behind the point', { size: ({ size }) => size }, (at) => ({ ts: 0, text: '', size: at / 1e4 })],
  ['in a large number', { size: ({ size }) => size }, (at) => ({ ts: 0, text: '', size: at * 2 ** 33 })],
  ['in a text', { text: ({ text }) => text }, (at) => ({ ts: 0, text: `text ${at}`, size: 1 })],
  ['in a long text', { text: ({ text }) => text }, (at) => ({ ts: 0, text: `${at}`.repeat(50), size: 1 })],
  ['in a list', { list: ({ size }) => [size] }, (at) => ({ ts: 0, text: '', size: at })],
])('rows without a key are spread evenly: %s', (_, columns, entryAt) => {
  const { partOf } = spreadOf(columns);
  const counts = new Map<number, number>();
  for (const at of numbers) {
    const part = partOf(entryAt(at));
    expect(part).toBe(partOf(entryAt(at)));
    counts.set(part, (counts.get(part) ?? 0) + 1);
  }
  expect(counts.size).toBe(256);
  // 39 is the mean.
  expect(Math.max(...counts.values())).toBeLessThan(100);
});

test('a row is made once for its part and for what is shown, and anew for another record', () => {
  let made = 0;
  const { partOf, rowOf } = spreadOf({
    size: ({ size }) => {
      made += 1;
      return size;
    },
  });
  const entry = { ts: 0, text: '', size: 1 };
  partOf(entry);
  expect([rowOf(entry), made]).toEqual([{ size: 1 }, 1]);
  entry.size = 2;
  expect(rowOf(entry)).toEqual({ size: 2 });
  partOf(entry);
  expect(rowOf({ ...entry, size: 3 })).toEqual({ size: 3 });
});

test('a value as stores give it back is what JSON makes of it', () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.constantFrom('__proto__', 'b', 'a', '10', '9'), fc.jsonValue()),
  );
  fc.assert(
    fc.property(value, (drawn) => {
      const plain = plainOf(drawn as Json);
      const expected = JSON.parse(canonicalJson(drawn as Json)) as Json;
      expect(JSON.stringify(plain)).toBe(JSON.stringify(expected));
      expect(plain).toEqual(expected);
      expect(charactersAtMost(drawn as Json)).toBeGreaterThanOrEqual(
        typeof drawn === 'string' ? drawn.length : JSON.stringify(drawn).length,
      );
    }),
    { numRuns: 2_000 },
  );
});
