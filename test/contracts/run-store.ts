import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Run, RunStore } from '#shared/ports/run-store.ts';

/** What every RunStore must do. */
export function runStoreContract(name: string, open: () => RunStore): void {
  describe(name, () => {
    test('a run without entries has none', () => {
      const run = open().begin(true).end();
      expect([run.entryCount, [...run.entries()], run.get('')]).toEqual([0, [], undefined]);
    });

    test('entries come back in order, and each is found, whatever its length', () => {
      const entries = Array.from({ length: 20_000 }, (_, index): readonly [string, string] => [
        `key=${String(index * 3).padStart(6, '0')}`,
        JSON.stringify('v'.repeat(index % 100 === 7 ? 40_000 : index % 50)),
      ]);
      const store = open();
      const run = write(store, entries);
      expect(run.entryCount).toBe(20_000);
      expect([...run.entries()]).toEqual(entries);
      expect([...write(store, entries, false).entries()]).toEqual(entries);
      for (const [key, value] of entries.filter((_, index) => index % 91 === 0 || index % 100 === 7))
        expect(run.get(key)).toBe(value);
      for (const index of [0, 1, 29_999, 59_998])
        expect(run.get(`key=${String(index).padStart(6, '0')}x`)).toBeUndefined();
      expect([run.get(''), run.get('z')]).toEqual([undefined, undefined]);
    });

    test('any well-formed keys and values come back', () => {
      const text = fc.string({ unit: 'binary' });
      fc.assert(
        fc.property(fc.dictionary(text, text), fc.array(text), (values, others) => {
          const entries = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
          const run = write(open(), entries);
          expect([...run.entries()]).toEqual(entries);
          for (const [key, value] of entries) expect(run.get(key)).toBe(value);
          for (const key of others) expect(run.get(key)).toBe(Object.hasOwn(values, key) ? values[key] : undefined);
          run.remove();
        }),
      );
    });

    test('several readers of a run do not disturb one another, nor a run that is being written', () => {
      const store = open();
      const entries = Array.from({ length: 3_000 }, (_, index): readonly [string, string] => [
        `k${10_000 + index}`,
        'x'.repeat(100),
      ]);
      const run = write(store, entries);
      const writer = store.begin(true);
      const second = run.entries()[Symbol.iterator]();
      for (const [key, value] of run.entries()) {
        expect(second.next().value).toEqual([key, value]);
        expect(run.get('k10001')).toBe(value);
        writer.add(key, `${value}!`);
      }
      expect(writer.end().get('k12999')).toBe(`${'x'.repeat(100)}!`);
    });

    test('keys that do not ascend are a bug', () => {
      const writer = open().begin(false);
      writer.add('b', '');
      expect(() => writer.add('b', '')).toThrow('follows');
      expect(() => writer.add('a', '')).toThrow('follows');
      writer.discard();
    });

    test('a run that was removed is not read any more', () => {
      const run = write(open(), [['a', '1']]);
      run.remove();
      expect(() => [...run.entries()]).toThrow();
    });
  });
}

function write(store: RunStore, entries: readonly (readonly [key: string, value: string])[], isSearched = true): Run {
  const writer = store.begin(isSearched);
  for (const [key, value] of entries) writer.add(key, value);
  return writer.end();
}
