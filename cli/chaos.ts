import { setTimeout } from 'node:timers/promises';
import type { Shard } from '#local/kinesis/types.ts';
import type { LocalStack } from '#local/stack.ts';
import type { FaultKind } from './faults.ts';
import { createRandom } from './generate.ts';

/** Makes trouble in a running stack. */
export interface Chaos {
  /** Does one fault; a kill waits a little for a victim in the middle of its work. */
  readonly perform: (kind: FaultKind) => Promise<void>;
  /** Kills a Lambda or the worker, by turns, at once: the key `k`. Says what it killed. */
  readonly killOne: () => string;
  /** What was done so far, such as `kill-lambda=3 split-raw=1`. */
  readonly summary: () => string;
}

const victimPollMs = 2;
const victimPollsMax = 1_000;

export function createChaos(stack: LocalStack, seed: number): Chaos {
  const random = createRandom(seed);
  const done = new Map<FaultKind, number>();
  let turn = 0;
  const note = (kind: FaultKind): void => void done.set(kind, (done.get(kind) ?? 0) + 1);

  const perform = async (kind: FaultKind): Promise<void> => {
    switch (kind) {
      case 'kill-lambda':
        await killBusyFunction(stack, random);
        break;
      case 'kill-worker':
        await killWorker(stack, random);
        break;
      case 'split-raw':
      case 'split-exchange':
        split(stack, streamOf(stack, kind, random), random);
        break;
      case 'merge-raw':
      case 'merge-exchange':
        merge(stack, streamOf(stack, kind, random), random);
        break;
    }
    note(kind);
  };
  return {
    perform,
    killOne: () => {
      turn += 1;
      if (turn % 2 === 0 && stack.worker?.kill(turn / 2) === true) {
        note('kill-worker');
        return 'killed the worker';
      }
      for (const [name, lambda] of stack.functions) {
        if (lambda.environments().busy > 0 && lambda.kill()) {
          note('kill-lambda');
          return `killed ${shortName(stack, name)} in the middle of a batch`;
        }
      }
      for (const [name, lambda] of stack.functions) {
        if (lambda.kill()) {
          note('kill-lambda');
          return `killed an idle environment of ${shortName(stack, name)}`;
        }
      }
      return 'found nothing to kill';
    },
    summary: () => (done.size === 0 ? 'none' : [...done].map(([kind, count]) => `${kind}=${count}`).join(' ')),
  };
}

async function killBusyFunction(stack: LocalStack, random: () => number): Promise<void> {
  for (let polls = 0; polls < victimPollsMax; polls += 1) {
    const busy = [...stack.functions.values()].filter((lambda) => lambda.environments().busy > 0);
    if (busy[Math.floor(random() * busy.length)]?.kill() === true) return;
    await setTimeout(victimPollMs);
  }
}

async function killWorker({ worker }: LocalStack, random: () => number): Promise<void> {
  if (worker === undefined) return;
  const task = Math.floor(random() * worker.taskCount);
  for (let polls = 0; polls < victimPollsMax && !worker.kill(task); polls += 1) await setTimeout(victimPollMs);
}

function streamOf(stack: LocalStack, kind: FaultKind, random: () => number): string {
  if (kind.endsWith('exchange')) return stack.exchangeStream;
  const streams = [...stack.rawStreams.values()];
  return streams[Math.floor(random() * streams.length)] as string;
}

function openShards(stack: LocalStack, streamName: string): readonly Shard[] {
  return stack.kinesis
    .listShards(streamName)
    .filter((shard) => shard.endingSequenceNumber === undefined)
    .sort((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1));
}

function split(stack: LocalStack, streamName: string, random: () => number): void {
  const open = openShards(stack, streamName);
  const shard = open[Math.floor(random() * open.length)] as Shard;
  stack.kinesis.splitShard({
    streamName,
    shardId: shard.shardId,
    newStartingHashKey: (shard.startingHashKey + shard.endingHashKey) / 2n + 1n,
  });
}

/** Merges two neighbours; a stream of one shard is split first, so that there is something to merge. */
function merge(stack: LocalStack, streamName: string, random: () => number): void {
  if (openShards(stack, streamName).length < 2) split(stack, streamName, random);
  const open = openShards(stack, streamName);
  const at = Math.floor(random() * (open.length - 1));
  const [shard, adjacent] = [open[at], open[at + 1]] as [Shard, Shard];
  stack.kinesis.mergeShards({ streamName, shardId: shard.shardId, adjacentShardId: adjacent.shardId });
}

function shortName(stack: LocalStack, name: string): string {
  return name.slice(stack.stackName.length + 1);
}
