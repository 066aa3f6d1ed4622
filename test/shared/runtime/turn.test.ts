import { expect, test } from 'vitest';
import { turnMsMax } from '#shared/runtime/turn.ts';
import { createWorker } from '#shared/runtime/worker.ts';
import { reading, send, worldOf } from './visits.ts';
import type { World } from './world.ts';

/** A worker that takes a turn for each of eight blocks of one batch. */
async function workByTurns(onTurn: (world: World) => Promise<unknown>): Promise<void> {
  const world = worldOf({ slots: 1 });
  for (let sequence = 1; sequence <= 8; sequence += 1) await send(world, sequence, reading(sequence));
  const { pipeline, state, results, blobs, deadLetters, telemetry, leases, exchange } = world;
  let spentMs = 0;
  const clock = {
    now: () => world.clock.now() + spentMs,
    sleep: async (ms: number) => {
      if (ms === 0) await onTurn(world);
      await world.clock.sleep(ms);
    },
  };
  const worker = createWorker({
    ...{ pipeline, state, results, blobs, deadLetters, telemetry, leases, exchange, clock },
    worker: 'worker-a',
    reader: {
      shards: exchange.shards,
      read: async (shardId, after) => {
        const batch = await exchange.read(shardId, after);
        if (batch.records.length === 0) worker.stop().catch(() => undefined);
        // Its bytes are looked at when its turn comes.
        const slow = ({ bytes, ...record }: (typeof batch.records)[number]) =>
          Object.defineProperty({ ...record, bytes }, 'bytes', {
            get: () => {
              spentMs += turnMsMax;
              return bytes;
            },
          });
        return { ...batch, records: batch.records.map(slow) };
      },
    },
  });
  await worker.run();
}

test('a block that takes long to apply gives others their turn, however small it is', async () => {
  let turns = 0;
  await workByTurns(async () => {
    turns += 1;
  });
  expect(turns).toBe(8);
});

test('state is stored within a batch: who dies in the midst of a long one has got on', async () => {
  const positions = new Set<string>();
  await workByTurns(async ({ state }) => {
    const stored = await state.readCheckpoint('window', 0);
    if (stored !== undefined) positions.add(stored.position);
  });
  expect(positions.size).toBeGreaterThan(2);
});
