import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { Aggregator } from '#shared/pipeline/aggregator.ts';
import {
  type AnyOutput,
  count,
  dynamodb,
  hours,
  milliseconds,
  type Pipeline,
  type PipelineOptions,
  pipeline,
  stream,
} from '#shared/pipeline/index.ts';

/** The records of the engine's tests. Times and durations are small numbers of milliseconds, so that a test can be read. */
export interface Reading {
  readonly at: number;
  readonly key: string;
  readonly amount: number;
  readonly tags?: readonly string[];
}

/** By hand, so that ten thousand seeds do not wait for a schema library. */
export const readingSchema: StandardSchemaV1<Reading, Reading> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'object' && value !== null && 'at' in value && 'key' in value
        ? { value: value as Reading }
        : { issues: [{ message: 'not a reading' }] },
  },
};

export function readings(
  options: { readonly name?: string; readonly outOfOrderness?: number; readonly idleAfter?: number } = {},
) {
  return stream(options.name ?? 'readings', {
    schema: readingSchema,
    timestamp: (reading) => reading.at,
    outOfOrderness: milliseconds(options.outOfOrderness ?? 0),
    ...(options.idleAfter === undefined ? {} : { idleAfter: milliseconds(options.idleAfter) }),
  });
}

/** Which amounts, in order: what was lost or counted twice shows itself. */
export const amounts: Aggregator<Reading, number, number[], string> = {
  kind: 'amounts',
  config: {},
  select: (reading) => reading.amount,
  create: () => [],
  add: (accumulator, amount) => {
    accumulator.push(amount);
    return accumulator;
  },
  merge: (into, from) => {
    into.push(...from);
    return into;
  },
  result: (accumulator) => [...accumulator].sort((a, b) => a - b).join(' '),
  encode: (accumulator) => [...accumulator],
  decode: (encoded) => [...(encoded as readonly number[])],
};

/** As `amounts`, of a kind that can be taken away again: what was taken away wrongly shows itself too. */
export const amountsThatLeave: typeof amounts = {
  ...amounts,
  kind: 'amounts-that-leave',
  subtract: (into, from) => {
    for (const amount of from) {
      const at = into.indexOf(amount);
      if (at === -1) into.push(-amount - 1_000);
      else into.splice(at, 1);
    }
    return into;
  },
};

export const sink = dynamodb({ ttl: hours(1) });

/** A keyed stream's usual columns. */
export const columns = { amounts, requests: count<Reading>() };

export function pipelineOf(outputs: readonly AnyOutput[], options: PipelineOptions = {}): Pipeline {
  return pipeline('test', outputs, { slots: 1, expectedKeys: 1, ...options });
}
