import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Aggregator, Json } from '#shared/pipeline/aggregator.ts';

/**
 * The laws that every aggregator keeps. A new one needs its file and one line of test:
 *
 *     aggregatorLaws('median', () => median((value: number) => value), fc.double({ noNaN: true }));
 *
 * `arbitraryValue` gives selected values. States are compared as they are stored, so the laws hold for the stored bytes too.
 */
export function aggregatorLaws<Value, Accumulator>(
  name: string,
  makeAggregator: () => Aggregator<never, Value, Accumulator, unknown>,
  arbitraryValue: fc.Arbitrary<Value>,
): void {
  const aggregator = makeAggregator();
  const values = fc.array(arbitraryValue, { maxLength: 40 });
  const fill = (list: readonly Value[]): Accumulator => list.reduce(aggregator.add, aggregator.create());
  const storedOf = (accumulator: Accumulator): string => JSON.stringify(aggregator.encode(accumulator));
  const restore = (stored: string): Accumulator => aggregator.decode(JSON.parse(stored) as Json);
  const expectSame = (actual: Accumulator, expected: Accumulator): void => {
    expect(storedOf(actual)).toBe(storedOf(expected));
    expect(aggregator.result(actual)).toEqual(aggregator.result(expected));
  };

  describe(`${name} keeps the laws of an aggregator:`, () => {
    test('merge is commutative', () => {
      fc.assert(
        fc.property(values, values, (a, b) =>
          expectSame(aggregator.merge(fill(a), fill(b)), aggregator.merge(fill(b), fill(a))),
        ),
      );
    });

    test('merge is associative', () => {
      fc.assert(
        fc.property(values, values, values, (a, b, c) =>
          expectSame(
            aggregator.merge(aggregator.merge(fill(a), fill(b)), fill(c)),
            aggregator.merge(fill(a), aggregator.merge(fill(b), fill(c))),
          ),
        ),
      );
    });

    test('an empty accumulator changes nothing that it is merged with', () => {
      fc.assert(
        fc.property(values, (a) => {
          expectSame(aggregator.merge(fill(a), aggregator.create()), fill(a));
          expectSame(aggregator.merge(aggregator.create(), fill(a)), fill(a));
        }),
      );
    });

    test('values may be split anywhere', () => {
      fc.assert(
        fc.property(values, fc.nat(), (a, cut) => {
          const at = cut % (a.length + 1);
          expectSame(aggregator.merge(fill(a.slice(0, at)), fill(a.slice(at))), fill(a));
        }),
      );
    });

    test('what was merged may be taken away again, where it may be at all', () => {
      const { subtract } = aggregator;
      if (subtract === undefined) return;
      fc.assert(
        fc.property(values, values, (a, b) => {
          expectSame(subtract(aggregator.merge(fill(a), fill(b)), fill(b)), fill(a));
          expectSame(subtract(aggregator.merge(fill(a), fill(b)), fill(a)), fill(b));
        }),
      );
    });

    test('the order of the values does not show', () => {
      const shuffled = values.chain((a) =>
        fc.tuple(fc.constant(a), fc.shuffledSubarray(a, { minLength: a.length, maxLength: a.length })),
      );
      fc.assert(fc.property(shuffled, ([a, b]) => expectSame(fill(b), fill(a))));
    });

    test('what was stored and restored goes on as if it had not been', () => {
      fc.assert(
        fc.property(values, values, (a, b) => {
          expectSame(restore(storedOf(fill(a))), fill(a));
          expectSame(b.reduce(aggregator.add, restore(storedOf(fill(a)))), fill([...a, ...b]));
          expectSame(aggregator.merge(fill(b), restore(storedOf(fill(a)))), fill([...a, ...b]));
        }),
      );
    });

    test('merge leaves what it merges from as it was', () => {
      fc.assert(
        fc.property(values, values, values, (a, b, c) => {
          const from = fill(b);
          const merged = aggregator.merge(fill(a), from);
          c.reduce(aggregator.add, merged);
          expectSame(from, fill(b));
        }),
      );
    });

    test('encode and result change nothing', () => {
      fc.assert(
        fc.property(values, values, (a, b) => {
          const accumulator = fill(a);
          aggregator.encode(accumulator);
          aggregator.result(accumulator);
          expectSame(b.reduce(aggregator.add, accumulator), fill([...a, ...b]));
        }),
      );
    });

    test('selected values cross the exchange as JSON and are not refused', () => {
      fc.assert(
        fc.property(arbitraryValue, (value) => {
          const crossed = JSON.parse(JSON.stringify(value)) as Value;
          expect(aggregator.refuse?.(crossed)).toBeUndefined();
          expectSame(fill([crossed]), fill([value]));
        }),
      );
    });

    test('decode gives a sound state or an Error that says why not', () => {
      const anything = fc.oneof(
        fc.jsonValue({ maxDepth: 2 }),
        fc.array(fc.oneof(fc.integer(), fc.double(), fc.constant(null)), { maxLength: 6 }),
        values.chain((a) => damaged(storedOf(fill(a)))),
      );
      fc.assert(
        fc.property(anything, (encoded) => {
          let accumulator: Accumulator;
          try {
            accumulator = aggregator.decode(encoded as Json);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
            expect((error as Error).message).toMatch(/must be .+, and is /);
            return;
          }
          expectSame(restore(storedOf(accumulator)), accumulator);
        }),
        { numRuns: 300 },
      );
    });

    test('encode gives nothing that JSON would change', () => {
      fc.assert(
        fc.property(values, (a) => {
          const encoded = aggregator.encode(fill(a));
          expect(JSON.parse(JSON.stringify(encoded))).toEqual(encoded);
        }),
      );
    });

    test('kind and config are plan data, equal for equal definitions', () => {
      const { kind, config } = makeAggregator();
      expect(JSON.parse(JSON.stringify({ kind, config }))).toEqual({
        kind: aggregator.kind,
        config: aggregator.config,
      });
    });
  });
}

/** A stored state with one character replaced or removed, where that leaves JSON. */
function damaged(stored: string): fc.Arbitrary<unknown> {
  return fc
    .tuple(fc.nat(stored.length - 1), fc.constantFrom('', '0', '9', '-', '.', 'z', ',', '1e3'))
    .map(([at, text]) => {
      try {
        return JSON.parse(stored.slice(0, at) + text + stored.slice(at + 1));
      } catch {
        return stored;
      }
    });
}
