import { contractOf, stateToken } from '#shared/pipeline/contract.ts';
import { diffContracts, lossesOf } from '#shared/pipeline/contract-diff.ts';
import {
  type AnyOutput,
  type JoinKind,
  kinesis,
  milliseconds,
  type Pipeline,
  pipeline,
  ratio,
  s3,
  seconds,
  session,
  shareOfTotal,
  sliding,
  sum,
  type TableJoinKind,
  tumbling,
  union,
} from '#shared/pipeline/index.ts';

import type { SinkSpec } from '#shared/pipeline/sink.ts';
import { chain, chainedJoin, chainedProcess, chainedTies, ranked } from './chained.ts';
import { enriched, enrichedAnew } from './enriched.ts';
import { byKey, byTag, columns, ids, type Keyed, kept, records, shares, sink, type Tagged } from './records.ts';
import { closingInSilence, inOrderOfTime, ofKeys, ofSeveralSizes, withEarlyRows, withLateViews } from './windowed.ts';

/** A pipeline that seeds draw from, with what the workload must know of it. */
export interface SimPipeline {
  readonly pipeline: Pipeline;
  /** The plan that runs until a deploy puts `pipeline` in its place. */
  readonly earlier?: Pipeline;
  readonly sources: readonly string[];
  readonly hasIdle: boolean;
}

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
  ...define('rows', (withIdle) => {
    const a = records('a', withIdle);
    const both = union(a, records('b', withIdle));
    const files = s3({ format: 'ndjson', every: seconds(5), rowsMax: 2 });
    return {
      outputs: [
        kept(both)
          .select('rows', { id: (record) => record.id, key: (record) => record.key })
          .to(sink),
        byKey(a)
          .select('keyed', { id: (record) => record.id, tag: (record) => record.tags[0] })
          .to(sink, files, kinesis()),
        onWorker('tumbling', byKey(both), 1),
        onLambda('on-lambda', byKey(both), 0),
        joined('pairs', byKey(both), byKey(a), { kind: 'left', fromS: 0, toS: 5, lateness: 0 }),
      ],
      sources: ['a', 'b'],
    };
  }),
  ...define('running', (withIdle) => {
    const a = records('a', withIdle);
    // Nothing follows the last records that would bring their rows up to date later.
    const options = { refresh: milliseconds(0) };
    const perKey = byKey(a).aggregate('per-key', { requests: columns.requests, total: columns.total }, options);
    return {
      outputs: [
        perKey.derive({ mean: ratio('total', 'requests') }).to(sink),
        // What changes adds up to what is, however often it changed.
        perKey
          .asChanges()
          .keyBy((row) => ({ odd: row.key === 'a' }))
          .aggregate(
            'by-parity',
            { keys: sum((row) => row.change), total: sum((row) => row.change * row.total) },
            options,
          )
          .to(sink),
        byKey(a)
          .join(byKey(records('b', withIdle)), { within: 'ever' })
          .select('ever', { left: { leftId: (record) => record.id }, right: { rightId: (record) => record.id } })
          .to(sink),
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
  // Rows that are on their way from slot to slot go on, whatever else the plan after has.
  ...defineDeploy('chain-stays', () => {
    const keyed = byKey(records('a', false));
    const stays = chain(keyed);
    return { before: stays, after: [onLambda('more', keyed, 0), ...stays], sources: ['a'] };
  }),
  // A batch that was noted by the plan before is taken up again by one that asks for more.
  ...defineDeploy('enriched-anew', () => {
    const source = records('a', false);
    return { before: enrichedAnew(source, false), after: enrichedAnew(source, true), sources: ['a'] };
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

  ...define('chained-process', (withIdle) => ({
    outputs: chainedProcess(byKey(records('a', withIdle))),
    sources: ['a'],
  })),
  ...define('chained-ties', (withIdle) => ({ outputs: chainedTies(records('a', withIdle)), sources: ['a'] })),
  ...define('chain', (withIdle) => ({ outputs: chain(byKey(records('a', withIdle))), sources: ['a'] })),
  ...define('top', (withIdle) => ({ outputs: ranked(byKey(records('a', withIdle))), sources: ['a'] })),
  ...(['inner', 'left', 'full'] as const).flatMap((kind) =>
    define('chained-join', (withIdle) => ({
      outputs: chainedJoin(byKey(records('a', withIdle)), kind),
      sources: ['a'],
    })),
  ),
  ...define('enriched', (withIdle) => ({ outputs: enriched(records('a', withIdle)), sources: ['a'] })),
  ...define('late', (withIdle) => ({ outputs: withLateViews(byKey(records('a', withIdle))), sources: ['a'] })),
  ...define('early-by-key', (withIdle) => ({ outputs: ofKeys(byKey(records('a', withIdle))), sources: ['a'] })),
  ...define('early', (withIdle) => ({ outputs: withEarlyRows(byKey(records('a', withIdle))), sources: ['a'] })),
  ...define('silent', (withIdle) => ({
    outputs: closingInSilence(byKey(records('a', withIdle, 'advance')), byKey(records('b', withIdle, 'advance'))),
    sources: ['a', 'b'],
  })),
  ...define('ordered', (withIdle) => ({ outputs: inOrderOfTime(byKey(records('a', withIdle))), sources: ['a'] })),
  ...define('sizes', (withIdle) => ({ outputs: ofSeveralSizes(byKey(records('a', withIdle))), sources: ['a'] })),
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
