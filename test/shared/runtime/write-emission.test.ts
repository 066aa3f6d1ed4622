import { expect, test } from 'vitest';
import { compile } from '#shared/engine/compile/compile.ts';
import { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import { milliseconds } from '#shared/pipeline/index.ts';
import { writeEmission } from '#shared/runtime/write-emission.ts';
import { placed } from '../engine/slots/blocks.ts';
import { pipelineOf, readings, sink } from '../readings.ts';
import { World } from './world.ts';

const keyCount = 50;

/** Keys of which a block is the end, and which give no rows: there is nothing to write, unless they throw. */
function closing({ throws }: { readonly throws: boolean }) {
  let calls = 0;
  const step = readings()
    .keyBy((reading) => ({ key: reading.key }))
    .process('step', {
      columns: { amount: (reading) => reading.amount },
      emits: { amount: 'number' },
      state: () => 0,
      onEvent: () => {
        calls += 1;
        if (throws) throw new Error('no');
      },
      ttl: milliseconds(5),
      allowedLateness: milliseconds(0),
    })
    .to(sink);
  const world = new World(pipelineOf([step]), ['a']);
  const pipeline = compile(world.pipeline);
  const stage = new MemoryStage(pipeline, 0, { keysAtOnceMax: 10 });
  const outputs = Array.from({ length: keyCount }, (_, key) => ({
    record: key + 1,
    at: 10,
    amount: 0,
    key: `k${key}`,
  }));
  stage.apply(placed(pipeline, { at: 1, outputs, watermark: 0 }));
  stage.apply(placed(pipeline, { at: 2, to: 1_000, watermark: 1_000 }));
  const { results, state, deadLetters, telemetry } = world;
  const write = (onTurn: () => void, isAbandoned = () => false) => {
    const clock = { now: world.clock.now, sleep: async () => onTurn() };
    return writeEmission(
      { pipeline, results, state, deadLetters, telemetry, clock, goOn: () => undefined, isAbandoned },
      stage,
    );
  };
  return { stage, write, deadLetters, calls: () => calls };
}

test('others have their turn between the keys that a block closes, also when there is nothing to write', async () => {
  const { write, calls } = closing({ throws: false });
  const callsAtTurns: number[] = [];
  await write(() => callsAtTurns.push(calls()));
  expect(calls()).toBe(keyCount);
  expect(callsAtTurns.length).toBeGreaterThanOrEqual(keyCount / 10);
  for (const [turn, count] of callsAtTurns.entries())
    expect(count - (callsAtTurns[turn - 1] ?? 0)).toBeLessThanOrEqual(20);
});

test('what throws in any part has its letter written, before the next part', async () => {
  const { write, deadLetters, calls } = closing({ throws: true });
  const written: number[] = [];
  await write(() => written.push(calls() - deadLetters.letters.length));
  expect(deadLetters.letters).toHaveLength(keyCount);
  // Those of the part that was made last.
  for (const count of written) expect(count).toBeLessThanOrEqual(10);
});

test('who is abandoned in the midst of it looks at no more keys', async () => {
  const { stage, write, calls } = closing({ throws: false });
  let isAbandoned = false;
  await write(
    () => {
      isAbandoned = true;
    },
    () => isAbandoned,
  );
  expect(calls()).toBeLessThan(keyCount);
  expect(() => stage.beginSave('base')).toThrow('stands still');
});
