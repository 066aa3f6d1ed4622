import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contractOf } from '#shared/pipeline/contract.ts';
import { count, milliseconds, type Stream, seconds, union } from '#shared/pipeline/index.ts';
import { streamOf } from '#shared/pipeline/stream.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { pipelineOf, type Reading, readings, sink } from '../readings.ts';

function rowsOf(table: { to(to: typeof sink): Parameters<typeof pipelineOf>[0][number] }, given: readonly Reading[]) {
  const run = createBoundedRun(pipelineOf([table.to(sink)]));
  for (const value of given) run.takeValue('readings', value);
  return [...run.finish()];
}

const source = readings({ outOfOrderness: 1_000 });
const given: fc.Arbitrary<readonly Reading[]> = fc.array(
  fc.record({
    at: fc.integer({ min: 0, max: 60 }),
    key: fc.constantFrom('a', 'b'),
    amount: fc.integer({ min: 0, max: 9 }),
  }),
  { maxLength: 30 },
);

describe('branch', () => {
  test('puts each record into the first part whose predicate holds, or into the rest', () => {
    const { small, even, otherwise } = source.branch({
      small: (reading) => reading.amount < 4,
      even: (reading) => reading.amount % 2 === 0,
    });
    const parts = union(
      small.map(({ amount }) => ({ part: 'small', amount })),
      even.map(({ amount }) => ({ part: 'even', amount })),
      otherwise.map(({ amount }) => ({ part: 'otherwise', amount })),
    ).select('parts', { part: (row) => row.part, amount: (row) => row.amount });
    fc.assert(
      fc.property(given, (readings_) => {
        const found = rowsOf(parts, readings_).map((row) => `${row['amount']} ${row['part']}`);
        const right = readings_.map(({ amount }) => {
          if (amount < 4) return `${amount} small`;
          return amount % 2 === 0 ? `${amount} even` : `${amount} otherwise`;
        });
        expect(found.sort()).toEqual(right.sort());
      }),
      { numRuns: 300 },
    );
  });

  test('takes no promise for true', () => {
    const { later } = source.branch({
      later: (() => Promise.resolve(true)) as unknown as (reading: Reading) => boolean,
    });
    const run = createBoundedRun(pipelineOf([later.select('parts', { key: (reading) => reading.key }).to(sink)]));
    run.takeValue('readings', { at: 0, key: 'a', amount: 1 });
    expect([...run.finish()]).toEqual([]);
    expect(run.counts()).toMatchObject({ sent: 1, rejected: 1 });
  });

  test('refuses names whose order is not the written one', () => {
    expect(() => source.branch({ 1: () => true })).toThrow('"1"');
    expect(() => source.branch({ otherwise: () => true })).toThrow('otherwise');
  });
});

describe('sample', () => {
  const keys = Array.from({ length: 4_000 }, (_, at) => ({ at, key: `key-${at % 1_000}`, amount: at }));
  const kept = (share: number, seed: number) =>
    new Set(
      rowsOf(
        source.sample(share, { by: (reading) => reading.key, seed }).select('some', { key: (reading) => reading.key }),
        keys,
      ).map((row) => row['key']),
    );

  test('keeps about its share of the keys, all of their records, and the same ones every time', () => {
    const some = kept(0.3, 1);
    // Of 1,000 keys 300 are kept, within four standard deviations of 14.5.
    expect(Math.abs(some.size - 300)).toBeLessThan(58);
    expect(kept(0.3, 1)).toEqual(some);
    expect(
      rowsOf(
        source.sample(0.3, { by: (reading) => reading.key, seed: 1 }).select('some', {
          key: (reading) => reading.key,
        }),
        keys,
      ),
    ).toHaveLength(4 * some.size);
  });

  test('keeps others with another seed, about as many of both as chance has it', () => {
    const [one, two] = [kept(0.5, 1), kept(0.5, 2)];
    const both = [...one].filter((key) => two.has(key)).length;
    expect(Math.abs(both - 250)).toBeLessThan(55);
  });

  test('keeps about its share of the records, which a larger share has too', () => {
    const of = (share: number) =>
      rowsOf(source.sample(share).select('some', { amount: (reading) => reading.amount }), keys).map(
        (row) => row['amount'] as number,
      );
    const tenth = of(0.1);
    expect(Math.abs(tenth.length - 400)).toBeLessThan(76);
    const half = new Set(of(0.5));
    expect(tenth.every((amount) => half.has(amount))).toBe(true);
    expect([of(0).length, of(1).length]).toEqual([0, 4_000]);
  });

  test('refuses a share that is none', () => {
    for (const share of [-0.1, 1.1, Number.NaN]) expect(() => source.sample(share)).toThrow('from 0 to 1');
  });
});

describe('throttle', () => {
  const throttled = (limit: number, per: number, burst: number) =>
    source
      .keyBy((reading) => ({ key: reading.key }))
      .throttle('throttled', {
        columns: { amount: (reading) => reading.amount },
        limit,
        per: milliseconds(per),
        burst,
        allowedLateness: milliseconds(0),
      });

  /** Tokens as fractions of whole numbers: each is worth `per`, and `limit` come back in a millisecond. */
  function bucket(records: readonly Reading[], limit: number, per: number, burst: number): readonly string[] {
    let tokens = BigInt(burst) * BigInt(per);
    let last = records[0]?.at ?? 0;
    return records.map(({ at, amount }) => {
      const full = BigInt(burst) * BigInt(per);
      const filled = tokens + BigInt(at - last) * BigInt(limit);
      tokens = filled > full ? full : filled;
      last = at;
      const over = tokens < BigInt(per);
      if (!over) tokens -= BigInt(per);
      return `${at} ${amount} ${over}`;
    });
  }

  test('is a token bucket of each key in the order of event time, whatever the order of arrival', () => {
    const rule = fc.record({
      limit: fc.integer({ min: 1, max: 4 }),
      per: fc.integer({ min: 1, max: 30 }),
      burst: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(rule, given, ({ limit, per, burst }, records) => {
        const rows = rowsOf(throttled(limit, per, burst), records);
        for (const key of ['a', 'b']) {
          const ofKey = records.filter((record) => record.key === key);
          const inOrder = [...ofKey].sort((a, b) => a.at - b.at || a.amount - b.amount);
          const found = rows.filter((row) => row['key'] === key);
          const texts = found.map((row) => `${Date.parse(row['time'] as string)} ${row['amount']} ${row['over']}`);
          expect(texts.sort()).toEqual([...bucket(inOrder, limit, per, burst)].sort());
        }
      }),
      { numRuns: 500 },
    );
  });

  test('parts what is over from the rest', () => {
    const { over } = throttled(1, 10, 1)
      .asStream()
      .branch({ over: (row) => row.over });
    const refused = over
      .keyBy((row) => ({ key: row.key }))
      .aggregate('refused', { requests: count() }, { refresh: seconds(0) });
    const at = (ms: number): Reading => ({ at: ms, key: 'a', amount: 1 });
    expect(rowsOf(refused, [at(0), at(9), at(10), at(12), at(30)])).toEqual([
      { view: 'refused', key: 'a', requests: 2 },
    ]);
  });

  test('refuses rules that are none', () => {
    for (const [limit, per, burst] of [
      [0, 1, 1],
      [1.5, 1, 1],
      [1, 0, 1],
      [1, 1, 0],
      [1, 2 ** 40, 2 ** 20],
    ] as const)
      expect(() => pipelineOf([throttled(limit, per, burst).to(sink)])).toThrow('throttled');
  });
});

test('a stream that is united with itself, again and again, is walked once and not on every way', () => {
  let reads = 0;
  let doubled: Stream<Reading> = source;
  for (let level = 0; level < 14; level += 1) {
    const { node } = union(doubled, doubled);
    if (node.op !== 'union') throw new Error('a union is one');
    const { inputs } = node;
    doubled = streamOf({
      op: 'union',
      get inputs() {
        reads += 1;
        return inputs;
      },
    });
  }
  const { plan } = pipelineOf([doubled.select('rows', { key: (reading) => reading.key }).to(sink)]);
  expect(reads).toBeLessThan(14 * 14);
  expect(JSON.stringify(contractOf(plan)).length).toBeLessThan(30_000);
});

test('records with bigints, as decoders make of 64-bit numbers, are spread and sampled too', () => {
  const long = source.map((reading) => ({ long: BigInt(reading.at) }));
  const given = Array.from({ length: 1_000 }, (_, at) => ({ at, key: 'a', amount: 1 }));
  const columns = { long: (record: { readonly long: bigint }) => String(record.long) };
  expect(rowsOf(long.select('all', columns), given)).toHaveLength(1_000);
  const count = rowsOf(long.sample(0.5).select('half', columns), given).length;
  expect(Math.abs(count - 500)).toBeLessThan(100);
});
