import { describe, expect, test } from 'vitest';
import type { Exchange, ExchangeEntry } from '#shared/ports/exchange.ts';

/** A stream of two shards, which cut the hash space in half, and the way into it. */
export interface ExchangeHarness {
  readonly exchange: Exchange;
  /** What the shards hold: their records' bytes, in order. */
  readonly stored: () => Promise<readonly (readonly Uint8Array[])[]>;
  /** Lets a second pass on the clock of the stream. */
  readonly passSecond: () => void;
}

/** What every Exchange must do. With `throttle` a shard takes 1 MiB and 1,000 records a second. */
export function exchangeContract(
  name: string,
  open: (options: { readonly throttle: boolean }) => Promise<ExchangeHarness>,
): void {
  describe(name, () => {
    test('putting nothing refuses nothing', async () => {
      const { exchange, stored } = await open({ throttle: true });
      expect(await exchange.put([])).toEqual([]);
      expect(await stored()).toEqual([[], []]);
    });

    test('an entry goes to the shard that holds its hash key, whatever its slot', async () => {
      const { exchange, stored } = await open({ throttle: true });
      const entries = [
        entry({ explicitHashKey: '0', text: 'low' }),
        entry({ explicitHashKey: hashKeyMax, text: 'high' }),
        entry({ explicitHashKey: half, text: 'middle' }),
      ];
      expect(await exchange.put(entries)).toEqual([]);
      expect((await stored()).map(texts)).toEqual([['low'], ['high', 'middle']]);
    });

    test('entries of one put stay in order, also when they take several calls', async () => {
      const { exchange, stored } = await open({ throttle: false });
      const entries = Array.from({ length: 1_203 }, (_, index) => entry({ text: `${index}` }));
      expect(await exchange.put(entries)).toEqual([]);
      expect((await stored()).map(texts)).toEqual([entries.map((_, index) => `${index}`), []]);
    });

    test('more bytes than one call takes are put in several', async () => {
      const { exchange, stored } = await open({ throttle: false });
      const entries = Array.from({ length: 23 }, (_, index) => ({
        ...entry({}),
        bytes: new Uint8Array(1_000_000).fill(index),
      }));
      expect(await exchange.put(entries)).toEqual([]);
      expect((await stored())[0]?.map((bytes) => [bytes.length, bytes[0]])).toEqual(
        entries.map((_, index) => [1_000_000, index]),
      );
    });

    test('what is refused is told by its index, and what is not told is stored', async () => {
      const { exchange, stored } = await open({ throttle: true });
      const entries = Array.from({ length: 6 }, (_, index) => ({
        ...entry({ explicitHashKey: index % 2 === 0 ? '0' : half }),
        bytes: new Uint8Array(400_000).fill(index),
      }));
      const refused = await exchange.put(entries);
      expect(refused).toEqual([4, 5]);
      expect((await stored()).map((shard) => shard.map((bytes) => bytes[0]))).toEqual([
        [0, 2],
        [1, 3],
      ]);
    });

    test('what is put again until nothing is refused is all there', async () => {
      const { exchange, stored, passSecond } = await open({ throttle: true });
      let left: readonly ExchangeEntry[] = Array.from({ length: 1_700 }, (_, index) => entry({ text: `${index}` }));
      for (let tries = 0; left.length > 0 && tries < 10; tries += 1) {
        const refused = await exchange.put(left);
        left = refused.map((index) => left[index] as ExchangeEntry);
        passSecond();
      }
      const [low = []] = (await stored()).map(texts);
      expect([...low].sort()).toEqual(Array.from({ length: 1_700 }, (_, index) => `${index}`).sort());
    });
  });
}

const half = String(2n ** 127n);
const hashKeyMax = String(2n ** 128n - 1n);

function entry({
  explicitHashKey = '0',
  text = '',
}: {
  readonly explicitHashKey?: string;
  readonly text?: string;
}): ExchangeEntry {
  return { slot: 3, explicitHashKey, bytes: new TextEncoder().encode(text) };
}

function texts(records: readonly Uint8Array[]): readonly string[] {
  return records.map((bytes) => new TextDecoder().decode(bytes));
}
