import { setTimeout } from 'node:timers/promises';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { localClient } from '#local/client.ts';
import type { LocalStack } from '#local/stack.ts';
import { wallClock } from '#shared/adapters/clock.ts';
import { createKinesisProducer, type Producer } from '#shared/adapters/kinesis/producer.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { sourcesOf } from '#shared/pipeline/plan.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { FaultKind } from './faults.ts';
import type { Generator } from './generate.ts';
import { comesOnce, type Input } from './input.ts';
import { createPace, putFile } from './put-file.ts';
import { readRawRecords } from './raw-records.ts';

/** Pushes records into the raw streams through the Kinesis SDK, as any other producer would. */
export interface Feed {
  /** Makes up traffic at the rate, until `stop`. */
  readonly generate: (generator: Generator) => Promise<void>;
  /** Pushes the files and does the faults evenly on the way; `isEnd` then promises that nothing older follows, so that every window may close. */
  readonly pushInputs: (
    pipeline: Pipeline,
    inputs: readonly Input[],
    options: {
      readonly isEnd: boolean;
      readonly faults: readonly FaultKind[];
      readonly perform: (kind: FaultKind) => Promise<void>;
    },
  ) => Promise<void>;
  readonly stop: () => void;
  readonly pushedCount: () => number;
}

const generateEveryMs = 50;
const encoder = new TextEncoder();

export function createFeed(options: {
  readonly stack: Pick<LocalStack, 'endpoints' | 'rawStreams'>;
  readonly rate: number | undefined;
}): Feed {
  const { stack, rate } = options;
  const producers = new Map<string, Producer>();
  for (const [source, streamName] of stack.rawStreams) {
    producers.set(
      source,
      createKinesisProducer({
        client: new KinesisClient(localClient(stack.endpoints.kinesis)),
        streamName,
        clock: wallClock,
      }),
    );
  }
  const producerOf = (source: string): Producer => producers.get(source) as Producer;
  let stopped = false;
  let pushed = 0;

  return {
    stop: () => {
      stopped = true;
    },
    pushedCount: () => pushed,
    generate: async ({ source, line }) => {
      const producer = producerOf(source);
      const startMs = performance.now();
      for (let made = 0; !stopped; ) {
        const due = Math.floor(((performance.now() - startMs) / 1_000) * (rate ?? Number.POSITIVE_INFINITY));
        for (; made < due && !stopped; made += 1) {
          const text = line(Date.now());
          await producer.put({ data: encoder.encode(text), partitionKey: `generated:${made + 1}` });
        }
        await producer.flush();
        pushed = made;
        await setTimeout(generateEveryMs);
      }
    },
    pushInputs: async (pipeline, inputs, { isEnd, faults, perform }) => {
      const total = faults.length === 0 ? 0 : await countRecords(pipeline, inputs);
      const everyRecords = Math.max(1, Math.floor(total / (faults.length + 1)));
      const pace = createPace(rate);
      let performed = 0;
      for (const input of inputs) {
        const producer = producerOf(input.source);
        const records = readRawRecords(pipeline, input);
        for await (const _ of putFile(producer, { path: input.path, records, pace })) {
          if (stopped) return;
          pushed += 1;
          if (performed < faults.length && pushed >= (performed + 1) * everyRecords) {
            await producer.flush();
            await perform(faults[performed] as FaultKind);
            performed += 1;
          }
        }
      }
      if (!isEnd) return;
      for (const { id } of sourcesOf(pipeline.plan)) await producerOf(id).punctuate(endOfStreamMs);
    },
  };
}

/** A pipe is not read twice: its faults come at its start. */
async function countRecords(pipeline: Pipeline, inputs: readonly Input[]): Promise<number> {
  let count = 0;
  for (const input of inputs) {
    if (comesOnce(input.path)) continue;
    for await (const _ of readRawRecords(pipeline, input)) count += 1;
  }
  return count;
}
