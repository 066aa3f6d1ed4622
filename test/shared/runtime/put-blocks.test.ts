import { describe, expect, test } from 'vitest';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { compile } from '#shared/engine/compile/compile.ts';
import { tickBlocks } from '#shared/engine/transform/exchange.ts';
import { milliseconds, tumbling } from '#shared/pipeline/index.ts';
import type { ExchangeEntry } from '#shared/ports/exchange.ts';
import { decodeBlock } from '#shared/runtime/block-codec.ts';
import { putBlocks } from '#shared/runtime/put-blocks.ts';
import { createManualClock } from '#shared/testing/manual-clock.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';

const output = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
  .aggregate('step', columns)
  .to(sink);
const blocks = tickBlocks(compile(pipelineOf([output], { slots: 4 })));

/** An exchange that answers the n-th call by the n-th list of refused slots; afterwards it takes everything. */
function refusing(...answers: readonly (readonly number[])[]) {
  const calls: (readonly number[])[] = [];
  const put = async (entries: readonly ExchangeEntry[]): Promise<readonly number[]> => {
    const refused = answers[calls.length] ?? [];
    calls.push(entries.map(({ slot }) => slot));
    return entries.flatMap(({ slot }, index) => (refused.includes(slot) ? [index] : []));
  };
  return { calls, put };
}

function ports(exchange: { readonly put: (entries: readonly ExchangeEntry[]) => Promise<readonly number[]> }) {
  return { exchange, clock: createManualClock(), telemetry: createMemoryTelemetry() };
}

describe('putBlocks', () => {
  test('puts every block once when all are accepted', async () => {
    const exchange = refusing();
    await putBlocks(ports(exchange), blocks);
    expect(exchange.calls).toEqual([[0, 1, 2, 3]]);
  });

  test('puts what was refused again, and only that, until it is accepted', async () => {
    const exchange = refusing([1, 3], [3], [3]);
    await putBlocks(ports(exchange), blocks);
    expect(exchange.calls).toEqual([[0, 1, 2, 3], [1, 3], [3], [3]]);
  });

  test('waits longer after each refusal, up to a second', async () => {
    const { clock, ...others } = ports(refusing(...Array.from({ length: 9 }, () => [0])));
    await putBlocks({ ...others, clock }, blocks);
    expect(clock.slept).toEqual([20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000]);
  });

  test('gives up in the end with an error that has the batch sent again', async () => {
    const exchange = refusing(...Array.from({ length: 100 }, () => [0, 2]));
    await expect(putBlocks(ports(exchange), blocks)).rejects.toMatchObject({
      code: 'EXCHANGE_UNAVAILABLE',
      retry: true,
      message: expect.stringContaining('refused 2 of 4 records 12 times'),
    });
  });

  test('counts what it put again', async () => {
    const made = ports(refusing([1, 3], [3]));
    await putBlocks(made, blocks);
    expect(made.telemetry.value('retries_total')).toBe(3);
  });

  test('puts nothing when there is nothing', async () => {
    const exchange = refusing();
    await putBlocks(ports(exchange), []);
    expect(exchange.calls).toEqual([]);
  });

  test("puts each block at its slot's one fixed hash key, in the middle of its range", async () => {
    const seen: string[] = [];
    await putBlocks(
      ports({
        put: async (entries) => {
          seen.push(...entries.map((entry) => entry.explicitHashKey));
          return [];
        },
      }),
      blocks,
    );
    expect(seen).toEqual([1n, 3n, 5n, 7n].map((odd) => String(odd * 2n ** 125n)));
  });
});

describe('a block as it is put', () => {
  test('is read as it was', async () => {
    const put: ExchangeEntry[] = [];
    await putBlocks(
      ports({
        put: async (entries) => {
          put.push(...entries);
          return [];
        },
      }),
      blocks,
    );
    expect(put.map(({ bytes }) => decodeBlock(bytes, 'here'))).toEqual(blocks);
  });

  test.each([
    [
      'no compressed bytes',
      new Uint8Array([1, 2, 3]),
      /^BLOCK_UNREADABLE: record 7 is not an exchange block \(3 bytes\)/,
    ],
    ['no bytes', new Uint8Array(), /^BLOCK_UNREADABLE: record 7 is not an exchange block \(0 bytes\)/],
  ])('of %s stops the slot and says where', (_, bytes, message) => {
    expect(() => decodeBlock(bytes, 'record 7')).toThrow(message);
  });
});
