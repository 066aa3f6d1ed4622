import { type AnyOutput, milliseconds, type PipelineOptions, session } from '#shared/pipeline/index.ts';
import { columns, pipelineOf, readings, sink } from '../readings.ts';
import { rawRecord, World } from './world.ts';

export const visits: AnyOutput = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .window(session({ gap: milliseconds(10) }), { allowedLateness: milliseconds(0) })
  .aggregate('visits', columns)
  .to(sink);

export function worldOf(options: PipelineOptions = { slots: 2 }): World {
  return new World(pipelineOf([visits], options), ['a']);
}

export function reading(at: number, key = 'k'): string {
  return JSON.stringify({ at, key, amount: at });
}

export async function send(world: World, sequence: number, ...lines: readonly string[]): Promise<void> {
  await world.preprocess().process({ shardId: 'a', records: [rawRecord(sequence, lines.join('\n'))] });
}
