import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { milliseconds, tumbling } from '#shared/pipeline/index.ts';
import { decodeBlock } from '#shared/runtime/block-codec.ts';
import { attemptsMax } from '#shared/runtime/lone-record.ts';
import { createPreprocess } from '#shared/runtime/preprocess.ts';
import type { RawRecord } from '#shared/runtime/raw-record.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';
import { aggregate } from './aggregated.ts';
import { rawRecord, World } from './world.ts';

/** A process that has died: nothing that it asks for comes back. */
let isDead = false;
const deathly = 13;

const pipeline = pipelineOf(
  [
    readings()
      .filter((reading) => {
        if (reading.amount === deathly) isDead = true;
        return true;
      })
      .keyBy((reading) => ({ key: reading.key }))
      .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
      .aggregate('step', columns)
      .to(sink),
  ],
  { slots: 2 },
);

/** Sends a batch again and again, to a new process each time, until one comes through. Gives how many died. */
async function sendUntilThrough(world: World, put: number[], record: RawRecord): Promise<number> {
  const mortal = <A extends readonly unknown[], R>(effect: (...args: A) => Promise<R>) => {
    return (...args: A): Promise<R> => (isDead ? new Promise<never>(() => undefined) : effect(...args));
  };
  const { deadLetters, clock, telemetry } = world;
  for (let deaths = 0; ; deaths += 1) {
    isDead = false;
    const stage = createPreprocess({
      pipeline,
      source: 'readings',
      directory: { list: async () => [{ shardId: 'a', parents: [] }] },
      exchange: {
        put: mortal(async (entries) => {
          for (const { bytes } of entries)
            put.push(...decodeBlock(bytes, 'here').routes.flatMap(({ timeMs }) => timeMs));
          return [];
        }),
      },
      state: { ...world.state, writeOrigin: mortal(world.state.writeOrigin) },
      deadLetters: { ...deadLetters, send: mortal(deadLetters.send) },
      clock,
      telemetry,
    });
    let isThrough = false;
    stage.process({ shardId: 'a', records: [record] }).then(() => {
      isThrough = true;
    });
    for (let turns = 0; turns < 50 && !isDead && !isThrough; turns += 1)
      await new Promise((resolve) => setImmediate(resolve));
    if (isThrough) return deaths;
    expect(deaths).toBeLessThan(100);
  }
}

function aggregated(amounts: readonly number[]): RawRecord {
  const lines = amounts.map((amount, at) => JSON.stringify({ at, key: `k${at}`, amount }));
  return {
    ...rawRecord(1, ''),
    bytes: aggregate(lines.map((line, at) => ({ partitionKey: `p${at}`, bytes: Buffer.from(line) }))),
  };
}

test('of an aggregate only those records are rejected that kill the process, wherever they stand', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(1, 1, 1, deathly), { minLength: 1, maxLength: 6 }), async (amounts) => {
      const world = new World(pipeline, ['a']);
      const put: number[] = [];
      const deaths = await sendUntilThrough(world, put, aggregated(amounts));
      const [killers, others] = [true, false].map((kills) =>
        [...amounts.keys()].filter((at) => (amounts[at] === deathly) === kills),
      ) as [number[], number[]];
      // One that is alone in its aggregate is not tried again.
      const apart = amounts.length === 1 ? 0 : killers.length;
      expect(deaths).toBe(killers.length === 0 ? 0 : attemptsMax + apart * attemptsMax);
      expect(put.sort((a, b) => a - b)).toEqual(others);
      expect(world.deadLetters.letters.map(({ id, partitionKey }) => [id, partitionKey])).toEqual(
        killers.map((at) => [`readings/a/1/${at}/threw`, `p${at}`]),
      );
      expect(await world.state.readOrigin('readings', 'a')).toMatchObject({
        sent: amounts.length,
        rejected: killers.length,
      });
    }),
    { numRuns: 60 },
  );
});
