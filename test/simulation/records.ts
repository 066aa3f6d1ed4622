import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { Aggregator } from '#shared/pipeline/aggregator.ts';
import {
  count,
  dynamodb,
  hours,
  milliseconds,
  rate,
  ratio,
  type Stream,
  shareOfTotal,
  stream,
  sum,
} from '#shared/pipeline/index.ts';

/** The records of the simulation. */
export interface SimValue {
  readonly id: number;
  readonly at: number;
  readonly key: string;
  readonly amount: number;
  readonly tags: readonly string[];
  /** The callback that throws on this record; `kill`: one that never returns. */
  readonly throws?: string;
}

export const outOfOrdernessMs = 3_000;
export const idleAfterMs = 60_000;

/** Written by hand, since a schema library would take most of a seed's time. */
const schema: StandardSchemaV1<SimValue, SimValue> = {
  '~standard': {
    version: 1,
    vendor: 'simulation',
    validate: (value) => {
      const { id, at, key, tags } = value as Partial<SimValue>;
      if (typeof id === 'number' && typeof at === 'number' && typeof key === 'string' && Array.isArray(tags))
        return { value: value as SimValue };
      return { issues: [{ message: 'not a record of the simulation' }] };
    },
  },
};

/** Which records, by their ids: what was lost or counted twice shows itself. */
export const ids: Aggregator<SimValue, number, number[], string> = {
  kind: 'ids',
  config: {},
  select: (record) => record.id,
  create: () => [],
  add: (accumulator, id) => {
    accumulator.push(id);
    return accumulator;
  },
  merge: (into, from) => {
    into.push(...from);
    return into;
  },
  result: (accumulator) => [...accumulator].sort((a, b) => a - b).join(','),
  encode: (accumulator) => [...accumulator],
  decode: (encoded) => [...(encoded as readonly number[])],
};

export const columns = { ids, requests: count<SimValue>(), total: sum((record: SimValue) => record.amount) };
export const shares = {
  share: shareOfTotal('total'),
  mean: ratio('total', 'requests'),
  perSecond: rate('requests'),
} as const;
export const sink = dynamodb({ ttl: hours(1) });

/** What happens to the process in whose callback a record is that kills; the world decides. */
export const killer = { strike: (): void => undefined };

function trip(record: SimValue, callback: string): void {
  if (record.throws === 'kill' && callback === 'map') killer.strike();
  if (record.throws === callback) throw new Error(`record ${record.id} breaks ${callback}`);
}

export function records(name: string, withIdle: boolean, whenSilent: 'hold' | 'advance' = 'hold') {
  return stream(name, {
    schema,
    timestamp: (record) => record.at,
    outOfOrderness: milliseconds(outOfOrdernessMs),
    ...(withIdle ? { idleAfter: milliseconds(idleAfterMs), whenSilent } : {}),
  });
}

export function kept(source: Stream<SimValue>) {
  return source
    .filter((record) => {
      trip(record, 'filter');
      return record.amount !== 13;
    })
    .map((record) => {
      trip(record, 'map');
      return { ...record, amount: record.amount * 2 };
    });
}

export function byKey(source: Stream<SimValue>) {
  return kept(source).keyBy((record) => {
    trip(record, 'key');
    return { key: record.key };
  });
}

export function byTag(source: ReturnType<typeof records>, mayThrow = true) {
  return source
    .flatMap((record) => {
      if (mayThrow) trip(record, 'flatMap');
      return record.tags.map((tag, index) => ({ ...record, id: record.id * 10 + index, key: tag }));
    })
    .keyBy((record) => ({ tag: record.key, odd: record.amount % 2 === 1 }));
}

export type Keyed = ReturnType<typeof byKey>;
export type Tagged = ReturnType<typeof byTag>;
