import type { Aggregator } from '#shared/pipeline/aggregator.ts';
import { contractOf, stateToken } from '#shared/pipeline/contract.ts';
import { diffContracts, lossesOf } from '#shared/pipeline/contract-diff.ts';
import {
  type AnyOutput,
  count,
  dynamodb,
  hours,
  type JoinKind,
  kinesis,
  milliseconds,
  type Pipeline,
  pipeline,
  rate,
  ratio,
  type SlidingWindow,
  s3,
  seconds,
  session,
  shareOfTotal,
  sliding,
  sum,
  type TableJoinKind,
  type TumblingWindow,
  tumbling,
} from '#shared/pipeline/index.ts';

import type { SinkSpec } from '#shared/pipeline/sink.ts';
import { byKey, byTag, ids, type Keyed, kept, records, type SimValue, type Tagged } from './records.ts';

/** A pipeline that seeds draw from, with what the workload must know of it. */
export interface SimPipeline {
  readonly pipeline: Pipeline;
  /** The plan that runs until a deploy puts `pipeline` in its place. */
  readonly earlier?: Pipeline;
  readonly sources: readonly string[];
  readonly hasIdle: boolean;
}

const columns = { ids, requests: count<SimValue>(), total: sum((record: SimValue) => record.amount) };
const shares = { share: shareOfTotal('total'), mean: ratio('total', 'requests'), perSecond: rate('requests') } as const;
const sink = dynamodb({ ttl: hours(1) });

const onLambda = (name: string, keyed: Keyed, lateness: number): AnyOutput =>
  keyed
    .window(tumbling(seconds(10)), { allowedLateness: seconds(lateness), refresh: milliseconds(1) })
    .aggregate(name, columns)
    .derive(shares)
    .to(sink);
const onWorker = (name: string, keyed: Keyed, lateness: number): AnyOutput =>
  keyed
    .window(tumbling(seconds(10)), { allowedLateness: seconds(lateness), refresh: seconds(1), placement: 'fargate' })
    .aggregate(name, columns)
    .derive(shares)
    .to(sink);
const hopping = (name: string, keyed: Keyed): AnyOutput =>
  keyed
    .window(sliding(seconds(15), { every: seconds(10) }), { allowedLateness: seconds(1), refresh: seconds(2) })
    .aggregate(name, columns)
    .derive(shares)
    .to(sink);
const finelySliding = (name: string, keyed: Keyed): AnyOutput =>
  keyed
    .window(sliding(seconds(10), { every: seconds(1) }), { allowedLateness: seconds(0), refresh: seconds(5) })
    .aggregate(name, { ids, total: columns.total })
    .derive({ share: shareOfTotal('total') })
    .to(sink);
const sessions = (name: string, keyed: Keyed, lateness: number): AnyOutput =>
  keyed
    .window(session({ gap: seconds(4) }), { allowedLateness: seconds(lateness) })
    .aggregate(name, columns)
    .to(sink);
const tagged = (name: string, keyed: Tagged, placement: 'lambda' | 'fargate'): AnyOutput =>
  keyed
    .window(tumbling(seconds(5)), { allowedLateness: seconds(0), refresh: milliseconds(1), placement })
    .aggregate(name, { ids, requests: columns.requests })
    .to(sink);

const joined = (
  name: string,
  left: Keyed,
  right: Keyed,
  options: { readonly kind: JoinKind; readonly fromS: number; readonly toS: number; readonly lateness: number },
  sinks: readonly [SinkSpec, ...SinkSpec[]] = [sink],
): AnyOutput =>
  left
    .join(right, {
      within: [seconds(options.fromS), seconds(options.toS)],
      kind: options.kind,
      allowedLateness: seconds(options.lateness),
    })
    .select(name, {
      left: { leftId: (record) => record.id, amount: (record) => record.amount },
      right: { rightId: (record) => record.id, tags: (record) => record.tags },
    })
    .to(...sinks);

/** Remembers the last records, so that the order of any two of them shows, and does a bit of everything, as the amount says. */
const processed = (name: string, keyed: Keyed, lateness: number): AnyOutput =>
  keyed
    .process(name, {
      columns: { id: (record) => record.id, amount: (record) => record.amount, tags: (record) => record.tags },
      emits: { what: 'string', ids: 'string' },
      state: (): readonly number[] => [],
      onEvent: ({ id, amount }, { state, timeMs, emit, setTimer, deleteTimer }) => {
        const seen = [...state.get(), id].slice(-6);
        state.set(seen);
        emit({ what: 'record', ids: seen.join(',') });
        const nextMs = (Math.floor(timeMs / 10_000) + 1) * 10_000;
        if (amount % 6 === 0) setTimer(timeMs + 4_000);
        if (amount % 10 === 4) setTimer(nextMs);
        if (amount % 22 === 10) deleteTimer(nextMs);
        if (amount % 26 === 8) state.clear();
        if (amount % 14 === 6) throw new Error(`record ${id} breaks the function`);
      },
      onTimer: (timeMs, { state, emit, setTimer }) => {
        const seen = state.get();
        emit({ what: `timer at ${timeMs}`, ids: seen.join(',') });
        setTimer(timeMs + 5_000);
        if (seen.length > 3) throw new Error('a timer breaks the function');
      },
      ttl: seconds(12),
      allowedLateness: seconds(lateness),
    })
    .to(sink);
const deduped = (name: string, keyed: Keyed, lateness: number): AnyOutput =>
  keyed
    .dedupe(name, {
      columns: { id: (record) => record.id },
      within: seconds(6),
      allowedLateness: seconds(lateness),
    })
    .to(sink, s3({ format: 'ndjson', every: seconds(5), rowsMax: 2 }), kinesis());
const withTable = (
  name: string,
  records: Keyed,
  table: Keyed,
  options: { readonly kind: TableJoinKind; readonly ttlS?: number; readonly lateness: number },
): AnyOutput =>
  records
    .joinTable(table, {
      kind: options.kind,
      deletes: (record) => record.amount % 10 === 4,
      allowedLateness: seconds(options.lateness),
      ...(options.ttlS === undefined ? {} : { ttl: seconds(options.ttlS) }),
    })
    .select(name, {
      left: { id: (record) => record.id },
      right: { version: (record) => record.id, tags: (record) => record.tags },
    })
    .to(sink);

/** Which records a row was made from. */
interface WithIds {
  readonly ids: string;
}

/** The records behind all rows. */
const idsOfRows: Aggregator<WithIds, string, string[], string> = {
  kind: 'ids-of-rows',
  config: {},
  select: (row) => row.ids,
  create: () => [],
  add: (accumulator, some) => {
    accumulator.push(...some.split(','));
    return accumulator;
  },
  merge: (into, from) => {
    into.push(...from);
    return into;
  },
  result: (accumulator) => [...accumulator].sort((a, b) => Number(a) - Number(b)).join(','),
  encode: (accumulator) => [...accumulator],
  decode: (encoded) => [...(encoded as readonly string[])],
};

const final = (keyed: Keyed, window: TumblingWindow | SlidingWindow, lateness: number) =>
  keyed.window(window, { allowedLateness: seconds(lateness), emit: 'on-close' });

/** Some rows break a callback, and some are not wanted. */
function usable<Row extends { readonly total: number }>(row: Row): boolean {
  if (row.total % 17 === 5) throw new Error(`a total of ${row.total} breaks filter`);
  return row.total % 7 !== 3;
}

/** Per key and window, then anew by another key on Lambda and in sessions, then the sessions once more. */
function chain(keyed: Keyed): readonly AnyOutput[] {
  const perKey = final(keyed, tumbling(seconds(5)), 1).aggregate('per-key', columns);
  const rows = perKey.asStream().filter(usable);
  const rowColumns = { ids: idsOfRows, rows: count<WithIds>() };
  const bursts = rows
    .keyBy(() => ({ tag: 'all' }))
    .window(session({ gap: seconds(6) }), { allowedLateness: seconds(2) })
    .aggregate('bursts', rowColumns);
  return [
    perKey.derive(shares).to(sink),
    rows
      .flatMap((row) => [row, row].slice(row.requests % 2))
      .keyBy((row) => ({ odd: row.requests % 2 === 1 }))
      .window(tumbling(seconds(10)), { allowedLateness: seconds(0), refresh: milliseconds(1) })
      .aggregate('by-count', { ...rowColumns, total: sum((row) => row.total) })
      .derive({ share: shareOfTotal('total') })
      .to(sink),
    bursts
      .asStream()
      .keyBy((row) => ({ odd: row.rows % 2 === 1 }))
      .window(sliding(seconds(20), { every: seconds(10) }), { allowedLateness: seconds(0), emit: 'on-close' })
      .aggregate('over-bursts', { ids: idsOfRows, bursts: count() })
      .to(sink),
  ];
}

/** The best rows of windows, on their own and as a stream again. */
function ranked(keyed: Keyed): readonly AnyOutput[] {
  const best = final(keyed, sliding(seconds(15), { every: seconds(10) }), 0)
    .aggregate('sliding', columns)
    .top('best', 1, { by: 'requests' });
  return [
    final(keyed, tumbling(seconds(10)), 1)
      .aggregate('per-key', columns)
      .top('top', 2, { by: 'total' })
      .to(sink),
    best.to(sink),
    best
      .asStream()
      .keyBy((row) => ({ tag: row.key }))
      .window(tumbling(seconds(60)), { allowedLateness: seconds(0), emit: 'on-close' })
      .aggregate('times-best', { ids: idsOfRows, times: count() })
      .to(sink),
  ];
}

/** Sessions beside the records of which they are made, and the pairs counted. */
function chainedJoin(keyed: Keyed, kind: JoinKind): readonly AnyOutput[] {
  const visits = keyed
    .window(session({ gap: seconds(3) }), { allowedLateness: seconds(0) })
    .aggregate('visits', columns)
    .asStream()
    .keyBy((visit) => ({ key: visit.key }));
  const pairs = visits
    .join(keyed, { within: [seconds(-4), seconds(2)], kind, allowedLateness: seconds(1) })
    .select('pairs', {
      left: { leftId: (visit) => visit.ids },
      right: { rightId: (record) => record.id },
    });
  return [
    pairs.to(sink),
    pairs
      .asStream()
      .map((pair) => ({ ids: pair.leftId ?? '0', odd: pair.leftTime === null || pair.rightTime === null }))
      .keyBy((pair) => ({ odd: pair.odd }))
      .window(tumbling(seconds(10)), { allowedLateness: seconds(0), emit: 'on-close' })
      .aggregate('pair-counts', { ids: idsOfRows, pairs: count() })
      .to(sink),
  ];
}

/** Sessions of four keys that begin and end together, and all go to one place. */
function chainedTies(source: ReturnType<typeof records>): readonly AnyOutput[] {
  return [
    kept(source)
      .flatMap((record) => [0, 1, 2, 3].map((copy) => ({ ...record, id: record.id * 10 + copy, key: `copy ${copy}` })))
      .keyBy((record) => ({ key: record.key }))
      .window(session({ gap: seconds(5) }), { allowedLateness: seconds(0) })
      .aggregate('copies', { ids, requests: columns.requests })
      .asStream()
      .keyBy(() => ({ tag: 'all' }))
      .window(tumbling(seconds(20)), { allowedLateness: seconds(0), emit: 'on-close' })
      .aggregate('sessions', { ids: idsOfRows, sessions: count() })
      .to(sink),
  ];
}

function define(
  id: string,
  build: (withIdle: boolean) => { readonly outputs: readonly AnyOutput[]; readonly sources: readonly string[] },
): readonly SimPipeline[] {
  return [1, 2, 4].flatMap((slots) =>
    [false, true].map((hasIdle) => {
      const { outputs, sources } = build(hasIdle);
      // Two key groups a slot, so that a window of a slot is several state items.
      const options = { slots, expectedKeys: slots * 32 };
      return { pipeline: pipeline(id, outputs, options), sources, hasIdle };
    }),
  );
}

/** A plan that is deployed over another one, whose steps that are gone were named as losses. */
function defineDeploy(
  id: string,
  build: () => {
    readonly before: readonly AnyOutput[];
    readonly after: readonly AnyOutput[];
    readonly sources: readonly string[];
  },
): readonly SimPipeline[] {
  return [1, 2, 4].map((slots) => {
    const { before, after, sources } = build();
    const options = { slots, expectedKeys: slots * 32 };
    const earlier = pipeline(id, before, options);
    const later = pipeline(id, after, options);
    const dropped = lossesOf(diffContracts(contractOf(earlier.plan), contractOf(later.plan)));
    return { pipeline: { ...later, dropped }, earlier, sources, hasIdle: false };
  });
}

/** Made once: a pipeline is immutable, so all seeds share it. */
export const simPipelines: readonly SimPipeline[] = [
  ...define('lambda', (withIdle) => ({
    outputs: [onLambda('tumbling', byKey(records('a', withIdle)), 1)],
    sources: ['a'],
  })),
  ...define('both', (withIdle) => {
    const keyed = byKey(records('a', withIdle));
    return { outputs: [onLambda('on-lambda', keyed, 0), onWorker('on-worker', keyed, 0)], sources: ['a'] };
  }),
  ...define('windows', (withIdle) => {
    const keyed = byKey(records('a', withIdle));
    return {
      outputs: [hopping('hopping', keyed), finelySliding('sliding', keyed), sessions('sessions', keyed, 1)],
      sources: ['a'],
    };
  }),
  ...define('tags', (withIdle) => {
    const source = records('a', withIdle);
    return {
      outputs: [tagged('tags', byTag(source), 'lambda'), tagged('tags-on-worker', byTag(source), 'fargate')],
      sources: ['a'],
    };
  }),
  ...define('sources', (withIdle) => ({
    outputs: [
      onLambda('first', byKey(records('a', withIdle)), 0),
      sessions('second', byKey(records('b', withIdle)), 0),
    ],
    sources: ['a', 'b'],
  })),
  ...define('worker', (withIdle) => {
    const keyed = byKey(records('a', withIdle));
    return { outputs: [onWorker('tumbling', keyed, 1), sessions('sessions', keyed, 0)], sources: ['a'] };
  }),
  ...define('sinks', (withIdle) => {
    const keyed = byKey(records('a', withIdle));
    const lateness = { allowedLateness: seconds(1) };
    const files = s3({ format: 'ndjson', every: seconds(5), rowsMax: 2 });
    return {
      outputs: [
        keyed
          .window(tumbling(seconds(10)), { ...lateness, refresh: seconds(1) })
          .aggregate('filed', columns)
          .derive(shares)
          .to(sink, files, kinesis()),
        keyed
          .window(session({ gap: seconds(4) }), lateness)
          .aggregate('sessions', columns)
          .to(sink, kinesis(), files),
        joined('paired', keyed, keyed, { kind: 'left', fromS: 1, toS: 6, lateness: 0 }, [kinesis(), files]),
      ],
      sources: ['a'],
    };
  }),
  ...define('join', (withIdle) => {
    const source = records('a', withIdle);
    const keyed = byKey(source);
    const even = source.filter((record) => record.amount % 2 === 0).keyBy((record) => ({ key: record.key }));
    return {
      outputs: [
        joined('inner', keyed, even, { kind: 'inner', fromS: 0, toS: 10, lateness: 1 }),
        joined('full', even, keyed, { kind: 'full', fromS: -8, toS: -2, lateness: 0 }),
        joined('with-itself', keyed, keyed, { kind: 'left', fromS: 1, toS: 6, lateness: 0 }),
        onLambda('tumbling', keyed, 0),
      ],
      sources: ['a'],
    };
  }),
  ...define('join-sources', (withIdle) => {
    const left = byKey(records('a', withIdle));
    const right = byKey(records('b', withIdle));
    return {
      outputs: [
        joined('full', left, right, { kind: 'full', fromS: -4, toS: 8, lateness: 2 }),
        joined('inner', right, left, { kind: 'inner', fromS: 0, toS: 0, lateness: 0 }),
        joined('left', left, right, { kind: 'left', fromS: 0, toS: 10, lateness: 0 }),
      ],
      sources: ['a', 'b'],
    };
  }),
  ...define('process', (withIdle) => {
    const keyed = byKey(records('a', withIdle));
    return {
      outputs: [processed('process', keyed, 1), deduped('dedupe', keyed, 0), onLambda('tumbling', keyed, 0)],
      sources: ['a'],
    };
  }),
  ...define('table', (withIdle) => {
    const left = byKey(records('a', withIdle));
    const table = byKey(records('b', withIdle));
    return {
      outputs: [
        withTable('inner', left, table, { kind: 'inner', lateness: 2 }),
        withTable('left', left, table, { kind: 'left', ttlS: 8, lateness: 0 }),
        withTable('with-itself', left, left, { kind: 'left', lateness: 0 }),
      ],
      sources: ['a', 'b'],
    };
  }),
  // New steps stand before the old ones, on their route and on others: columns and outputs have other numbers after the deploy.
  ...defineDeploy('grows', () => {
    const source = records('a', false);
    const keyed = byKey(source);
    const stays = [onLambda('on-lambda', keyed, 0), onWorker('on-worker', keyed, 0), sessions('sessions', keyed, 0)];
    return {
      before: stays,
      after: [
        // What the plan before has counted the oracle must not reject for what is new.
        tagged('tags', byTag(source, false), 'lambda'),
        onWorker('more-on-worker', keyed, 0),
        onLambda('more-on-lambda', keyed, 1),
        joined('pairs', keyed, keyed, { kind: 'left', fromS: 0, toS: 5, lateness: 0 }),
        ...stays.toReversed(),
      ],
      sources: ['a'],
    };
  }),
  ...defineDeploy('shrinks', () => {
    const source = records('a', false);
    const keyed = byKey(source);
    const stays = [onLambda('on-lambda', keyed, 0), onWorker('on-worker', keyed, 0)];
    return {
      before: [onLambda('changes', keyed, 0), sessions('goes', keyed, 0), ...stays],
      after: [...stays, hopping('changes', keyed)],
      sources: ['a'],
    };
  }),

  ...define('chained-ties', (withIdle) => ({ outputs: chainedTies(records('a', withIdle)), sources: ['a'] })),
  ...define('chain', (withIdle) => ({ outputs: chain(byKey(records('a', withIdle))), sources: ['a'] })),
  ...define('top', (withIdle) => ({ outputs: ranked(byKey(records('a', withIdle))), sources: ['a'] })),
  ...(['inner', 'left', 'full'] as const).flatMap((kind) =>
    define('chained-join', (withIdle) => ({
      outputs: chainedJoin(byKey(records('a', withIdle)), kind),
      sources: ['a'],
    })),
  ),
];

/** The views whose steps ran from the first record on, and so must have all of them, whatever was deployed meanwhile. */
export function stepsOfWholeLife({
  pipeline,
  earlier = pipeline,
}: Pick<SimPipeline, 'pipeline' | 'earlier'>): ReadonlySet<string> {
  const tokens = new Map(contractOf(earlier.plan).steps.map((step) => [step.id, stateToken(step)]));
  return new Set(
    contractOf(pipeline.plan).steps.flatMap((step) => (tokens.get(step.id) === stateToken(step) ? step.id : [])),
  );
}
