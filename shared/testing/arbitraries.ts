import type { StandardSchemaV1 } from '@standard-schema/spec';
import fc from 'fast-check';
import { type Duration, seconds } from '#shared/pipeline/duration.ts';
import { givenList, givenOptions } from '#shared/pipeline/refuse.ts';
import type { Source } from '#shared/pipeline/stream.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { givenDurationMs, givenShare, givenTimeMs, givenWhole } from './given.ts';
import type { Sent } from './same-as-batch.ts';
import { differentValuesOf, type Fields, takesNumber, valuesOf } from './schema-values.ts';

type FieldOf<In> = In extends unknown ? keyof In & string : never;

/** How the records of one stream are drawn. */
export interface StreamHistory<In> {
  readonly stream: Pick<Source<In, never>, 'name' | 'node' | '__in'>;
  /**
   * The field that the stream's `timestamp` reads, a number of milliseconds or a text in ISO 8601, as the schema says; or a function that
   * gives the fields of an event time, for what was drawn besides.
   */
  readonly time: FieldOf<In> | ((timeMs: number, value: In) => object);
  /** How many values a field takes that is a key: the first two of them are hot, and come more often than all others. */
  readonly keys?: { readonly [Field in FieldOf<In>]?: number };
  /** Fields that are drawn in another way than from the schema. */
  readonly fields?: { readonly [Field in FieldOf<In>]?: fc.Arbitrary<unknown> };
}

export interface HistoryOptions {
  /** How many records there are. Default up to 30. */
  readonly records?: readonly [min: number, max: number];
  /** Of event time, from one record to the next, at most. Default 2 s. */
  readonly pace?: Duration;
  /** Which part of the records is behind the newest one by more than `outOfOrderness`. Default 0.1; 0 for none. */
  readonly late?: number;
  /** Which part of the records is sent twice. Default 0.1. */
  readonly duplicates?: number;
  /** The earliest event time. Default 2026-01-01T00:00:00.000Z. */
  readonly start?: Date;
}

const hotKeys = 2;
const recordsMax = 1_000_000;
/** How often a hot key comes for each time that a cold one does. */
const hotness = 3;
/** By how many records a duplicate is behind. */
const duplicateLagMax = 5;
/** Times on a grain meet the edges of windows; others do not. */
const grainsMs = [1_000, 1_000, 500, 1];

interface Drawn {
  readonly stream: number;
  readonly value: object;
  /** In [0, 1): of the pace, of the disorder, and by how much more a late record is late. */
  readonly step: number;
  readonly lag: number;
  readonly late: number | undefined;
  readonly duplicate: number | undefined;
}

const part = fc.integer({ min: 0, max: 999 }).map((thousandths) => thousandths / 1_000);

function sometimes<T>(share: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  const weight = Math.round(share * 1_000);
  if (weight === 0) return fc.constant(undefined);
  return fc.oneof({ weight: 1_000 - weight, arbitrary: fc.constant(undefined) }, { weight, arbitrary });
}

/**
 * Histories of one stream or several, in the order in which they are sent: event times go on by up to `pace`, and records lie behind them by up
 * to the stream's `outOfOrderness`, or further where they are late. Values come from the stream's schema.
 *
 * `arbitraries.history([{ stream: clicks, time: 'at', keys: { user: 8 } }], { late: 0.2 })`
 */
function history<const Ins extends readonly object[]>(
  streams: { readonly [Index in keyof Ins]: StreamHistory<Ins[Index]> },
  options: HistoryOptions = {},
): fc.Arbitrary<readonly Sent[]> {
  const {
    records = [0, 30],
    pace = seconds(2),
    late = 0.1,
    duplicates = 0.1,
    start = startDefault,
  } = givenOptions('history', options, ['records', 'pace', 'late', 'duplicates', 'start'], '{ late: 0.2 }');
  const [least, most] = givenList('history', 'records', records, 'the least and the most of them, such as [0, 30]');
  givenWhole('history: the most records', most, 0, recordsMax);
  givenWhole('history: the least records', least, 0, most);
  givenDurationMs('history: pace', pace);
  givenShare('history: late', late);
  givenShare('history: duplicates', duplicates);
  const startMs = givenTimeMs('history: start', start);
  const all = (streams as readonly StreamHistory<object>[]).map((one) =>
    givenOptions('a stream of a history', one, ['stream', 'time', 'keys', 'fields'], "{ stream: clicks, time: 'at' }"),
  );
  const drawn = all.map(({ stream, keys = {}, fields = {}, time }, index) =>
    fc.record({
      stream: fc.constant(index),
      value: valuesOf(
        nodeOf(stream).schema,
        {
          ...(typeof time === 'string' ? { [time]: fc.constant(undefined) } : {}),
          ...keysOf(nodeOf(stream).schema, keys as Readonly<Record<string, number>>, stream.name),
          ...(fields as Fields),
        },
        stream.name,
      ),
      step: part,
      lag: part,
      late: sometimes(late, part),
      duplicate: sometimes(duplicates, fc.integer({ min: 1, max: duplicateLagMax })),
    }),
  );
  return fc
    .tuple(
      fc.constantFrom(...grainsMs),
      fc.array(fc.oneof(...drawn), { minLength: least, maxLength: most, size: 'max' }),
    )
    .map(([grainMs, ofHistory]) => sentOf(all, ofHistory, { paceMs: pace, grainMs, startMs }));
}

const startDefault = new Date('2026-01-01T00:00:00.000Z');

function nodeOf(stream: StreamHistory<object>['stream']) {
  const { node } = stream;
  if (node.op === 'source') return node;
  throw new MillraceError(
    'INPUT_INVALID',
    `${stream.name} is not what stream() gives, but made of it; draw its records.`,
  );
}

function keysOf(schema: StandardSchemaV1, counts: Readonly<Record<string, number>>, where: string): Fields {
  return Object.fromEntries(
    Object.entries(counts).map(([field, count]) => {
      givenWhole(`history: keys.${field}`, count, 1, recordsMax);
      return [field, hotAndCold(differentValuesOf(schema, { field, count, where }))];
    }),
  );
}

function hotAndCold(values: readonly unknown[]): fc.Arbitrary<unknown> {
  const hot = values.slice(0, hotKeys);
  const cold = values.slice(hotKeys);
  if (cold.length === 0) return fc.constantFrom(...hot);
  return fc.oneof(
    { weight: hotness, arbitrary: fc.constantFrom(...hot) },
    { weight: 1, arbitrary: fc.constantFrom(...cold) },
  );
}

function sentOf(
  streams: readonly StreamHistory<object>[],
  drawn: readonly Drawn[],
  { paceMs, grainMs, startMs }: { readonly paceMs: number; readonly grainMs: number; readonly startMs: number },
): readonly Sent[] {
  const onGrain = (ms: number): number => Math.floor(ms / grainMs) * grainMs;
  const timesOf = streams.map(timing);
  let newestMs = startMs;
  const sent: { readonly place: number; readonly record: Sent }[] = [];
  for (const [index, { stream, value, step, lag, late, duplicate }] of drawn.entries()) {
    const options = streams[stream] as StreamHistory<object>;
    const { outOfOrdernessMs } = nodeOf(options.stream);
    newestMs += onGrain(step * (paceMs + grainMs));
    // On the grain as well, and so that a record that is not late stays within the bound.
    const lateMs =
      late === undefined ? 0 : outOfOrdernessMs + grainMs + onGrain(late * (outOfOrdernessMs + 10 * paceMs));
    const timeMs = newestMs - (late === undefined ? onGrain(lag * (outOfOrdernessMs + 1)) : lateMs);
    const record = { stream: options.stream.name, record: { ...value, ...timesOf[stream]?.(timeMs, value) } };
    sent.push({ place: index, record });
    if (duplicate !== undefined) sent.push({ place: index + duplicate + 0.5, record });
  }
  return sent.sort((a, b) => a.place - b.place).map(({ record }) => record);
}

/** The fields of an event time. */
function timing({ stream, time }: StreamHistory<object>): (timeMs: number, value: object) => object {
  if (typeof time === 'function') return time;
  const isNumber = takesNumber(nodeOf(stream).schema, time);
  return (timeMs) => ({ [time]: isNumber ? timeMs : new Date(timeMs).toISOString() });
}

export const arbitraries = { history };
