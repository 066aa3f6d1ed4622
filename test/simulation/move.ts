import { feedingStepsOf, sinksOf, stepsOf } from '#shared/pipeline/plan.ts';
import type { RawStreams } from '#shared/ports/raw-streams.ts';
import { createRandom, type Random } from '#shared/testing/random.ts';
import { simPipelines } from './pipelines.ts';
import type { SimStream } from './stream.ts';
import type { Scenario } from './workload.ts';

/** A savepoint in the middle of a seed, and the deployment that goes on from it: with the same slots, twice or half as many. */
export interface Move {
  readonly factor: 1 | 2 | 0.5;
  /** All records were read, so that all slots have seen the same. */
  readonly isDrained: boolean;
  /** The new deployment goes on with the exchange that is there, and with all that was put on it. */
  readonly keepsExchange: boolean;
}

/** The moves of a seed, one after another, if it has any: where nothing is late, since the logs before and after say nothing of one another. */
export function movesOf(
  { seed, sim, mayBeLate, onModel }: Pick<Scenario, 'seed' | 'sim' | 'mayBeLate' | 'onModel'>,
  chance: number,
): readonly Move[] {
  if (mayBeLate || onModel || sim.hasIdle || sim.earlier !== undefined) return [];
  if (!createRandom(seed, 'moves').chance(chance)) return [];
  const first = moveOf(sim, createRandom(seed, 'move'));
  const random = createRandom(seed, 'second move');
  return random.chance(0.7) ? [first] : [first, moveOf(movedSim(sim, first) ?? sim, random)];
}

function moveOf(sim: Scenario['sim'], random: Random): Move {
  // Rows are under way from slot to slot, hardly ever none while records come.
  const isChained = feedingStepsOf(sim.pipeline.plan).length > 0;
  // What a file or a stream of rows has been given cannot be taken back, nor a row whose id is of places in a slot's log, which is another one
  // after the savepoint: there nothing may be behind it.
  const givesAway = stepsOf(sim.pipeline.plan).some((step) => {
    const { files, stream } = sinksOf(step);
    const hasIds = step.op === 'join' || step.op === 'process';
    return files !== undefined || stream !== undefined || (isChained && hasIds);
  });
  const isDrained = givesAway || random.chance(isChained ? 0.9 : 0.5);
  const factor = random.pick([1, 2, 0.5] as const);
  const canMove = !givesAway && (isDrained || (factor === 2 && sim.pipeline.id.startsWith('join-')));
  const move = { factor: canMove ? factor : 1, isDrained, keepsExchange: random.chance(0.5) } as const;
  return movedSim(sim, move) === undefined ? { ...move, factor: 1 } : move;
}

/** The pipeline with the slots that it has after the move. */
export function movedSim(sim: Scenario['sim'], { factor }: Move): Scenario['sim'] | undefined {
  const { id, plan } = sim.pipeline;
  // Some of one name differ in more than their slots.
  const nodes = JSON.stringify(plan.nodes);
  return simPipelines.find(
    ({ pipeline }) =>
      pipeline.id === id &&
      pipeline.plan.slots === plan.slots * factor &&
      JSON.stringify(pipeline.plan.nodes) === nodes,
  );
}

/** The world's raw streams, of which nothing is ever gone. */
export function rawStreamsOf(streams: ReadonlyMap<string, SimStream>): RawStreams {
  const recordsOf = (source: string, shard: string) =>
    streams.get(source)?.shards.find(({ shardId }) => shardId === shard)?.records ?? [];
  return {
    identityOf: async (source) => source,
    shards: async (source) => streams.get(source)?.shards.map(({ shardId }) => shardId) ?? [],
    holds: async (source, shard, sequence) => recordsOf(source, shard).some((record) => record.sequence === sequence),
    isAtEnd: async (source, shard, sequence) => recordsOf(source, shard).at(-1)?.sequence === sequence,
  };
}
