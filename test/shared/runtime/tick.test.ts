import { expect, test } from 'vitest';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { milliseconds, tumbling } from '#shared/pipeline/index.ts';
import { decodeBlock } from '#shared/runtime/block-codec.ts';
import { createTick } from '#shared/runtime/tick.ts';
import { createManualClock } from '#shared/testing/manual-clock.ts';
import { MemoryStream } from '#shared/testing/memory-stream.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';

const slots = 4;
const output = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
  .aggregate('step', columns)
  .to(sink);
const pipeline = pipelineOf([output], { slots });

function open() {
  const clock = createManualClock();
  const exchange = new MemoryStream({ clock });
  const { tick } = createTick({ pipeline, exchange, clock, telemetry: createMemoryTelemetry() });
  const stored = () => exchange.stored.map((shard) => shard.records.map(({ bytes }) => decodeBlock(bytes, 'here')));
  return { clock, exchange, tick, stored };
}

test('a tick reaches every slot, and carries nothing', async () => {
  const { tick, stored } = open();
  await tick();
  const { id, planHash: plan } = pipeline;
  expect(stored()).toEqual([[0, 1, 2, 3].map((slot) => ({ version: 1, pipeline: id, plan, slots, slot, routes: [] }))]);
});

test('a tick has the time at which the exchange takes it', async () => {
  const { clock, exchange, tick } = open();
  await tick();
  clock.move(60_000);
  await tick();
  const [shard] = exchange.stored;
  const arrivals = [1_000_000, 1_060_000].flatMap((ms) => Array<number>(slots).fill(ms));
  expect(shard?.records.map(({ arrivalMs }) => arrivalMs)).toEqual(arrivals);
});

test('after a split a tick goes to whichever shard holds the slot now', async () => {
  const { exchange, tick, stored } = open();
  exchange.split();
  await tick();
  expect(stored().map((blocks) => blocks.map(({ slot }) => slot))).toEqual([[], [0, 1], [2, 3]]);
});

test('what the exchange refuses is put again, and the tick ends when every slot has it', async () => {
  const clock = createManualClock();
  const calls: (readonly number[])[] = [];
  const exchange = {
    put: async (entries: readonly { readonly slot: number }[]) => {
      calls.push(entries.map(({ slot }) => slot));
      return calls.length === 1 ? [1, 2] : [];
    },
  };
  await createTick({ pipeline, exchange, clock, telemetry: createMemoryTelemetry() }).tick();
  expect(calls).toEqual([
    [0, 1, 2, 3],
    [1, 2],
  ]);
});
