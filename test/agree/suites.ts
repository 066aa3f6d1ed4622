import fc from 'fast-check';
import { flows } from '#pipelines/flow.ts';
import { pipelines } from '#pipelines/index.ts';
import { events } from '#pipelines/nexmark/events.ts';
import { requests } from '#pipelines/traffic.ts';
import { lookupTablesOf } from '#shared/pipeline/enrich.ts';
import {
  type AlignedWindow,
  type AnyOutput,
  argMax,
  argMaxAll,
  argMin,
  calendar,
  collect,
  correlation,
  count,
  countDistinct,
  covariance,
  cumulative,
  decimalSum,
  distinct,
  ewma,
  exactDistinct,
  first,
  histogram,
  hours,
  last,
  linearRegression,
  max,
  mean,
  milliseconds,
  min,
  minutes,
  type Pipeline,
  part,
  prediction,
  quantile,
  quantiles,
  rate,
  rateOfChange,
  ratio,
  sampled,
  seconds,
  session,
  shareOfTotal,
  sliding,
  stddev,
  sum,
  topK,
  tumbling,
  variance,
  zScore,
} from '#shared/pipeline/index.ts';
import { sourcesOf } from '#shared/pipeline/plan.ts';
import type { LookupItem } from '#shared/schemas/lookup.ts';
import type { BatchAggregate, BatchFunction, StreamHistory } from '#shared/testing/index.ts';
import { pipelineOf, type Reading, readings, sink } from '../shared/readings.ts';
import { stillTables } from '../simulation/enriched.ts';
import { simPipelines } from '../simulation/pipelines.ts';
import { records as simRecords } from '../simulation/records.ts';
import { sqlSuites } from './sql-suites.ts';
import { amount, fewSlots, historiesOf, key, type Suite } from './suite.ts';

/** Of the benchmark's events, each with the member that its type names, at the time that is drawn. */
const members = ['person', 'auction', 'bid'] as const;
const id = fc.nat(4);
const nexmarkFields = {
  event_type: fc.constantFrom(0, 1, 1, 2, 2, 2, 2),
  person: fc.record({ id, name: key, city: key, state: fc.constantFrom('OR', 'ID', 'WA'), extra: key }),
  auction: fc.record({ id, seller: id, category: fc.constantFrom(10, 11), initialBid: amount, reserve: amount }),
  bid: fc.record({ auction: fc.constantFrom(1, 2, 3, 123, 246), bidder: id, price: amount, channel: key, extra: key }),
};
const nexmarkTime = (timeMs: number, record: object): object => {
  const drawn = record as { readonly event_type: 0 | 1 | 2 } & Readonly<Record<(typeof members)[number], object>>;
  const member = members[drawn.event_type];
  const none = Object.fromEntries(members.map((name) => [name, undefined]));
  return { ...none, [member]: { ...drawn[member], dateTime: timeMs, expires: timeMs + 10_000 } };
};

/** How the records of a source are drawn, by its name. A pipeline that reads another one must have it here. */
const drawn: Readonly<Record<string, StreamHistory<never>>> = {
  requests: {
    stream: requests,
    time: (timeMs: number, record: object) => ('timeMs' in record ? { timeMs } : { ts: timeMs }),
    keys: { host: 6, ip: 6, path: 4 },
    fields: { status: fc.constantFrom(200, 200, 304, 404) },
  } as unknown as StreamHistory<never>,
  flows: {
    stream: flows,
    time: 'ts',
    fields: { ip: fc.constantFrom('a.1', 'a.2', 'b.1', 'b.2') },
  } as unknown as StreamHistory<never>,
  events: { stream: events, time: nexmarkTime, fields: nexmarkFields } as unknown as StreamHistory<never>,
};

const ofReadings: StreamHistory<Reading> = {
  stream: readings({ outOfOrderness: 3_000 }),
  time: 'at',
  fields: { key, amount, tags: fc.subarray(['x', 'y']) },
};
const ofSim = (name: string) => ({
  stream: simRecords(name, false),
  time: 'at' as const,
  fields: { id: fc.nat(999), key, amount, tags: fc.array(key, { maxLength: 3 }) },
});

/** Which records, as the simulation's own aggregator shows them. */
const ids: BatchAggregate = {
  inputs: [{ type: 'BIGINT', cell: (id: number) => id }],
  sql: ([id]) => `array_to_string(list_sort(list(${id})), ',')`,
};

const idsOfRows: BatchAggregate = {
  inputs: [{ type: 'VARCHAR', cell: (some: string) => some }],
  sql: ([some]) => `array_to_string(list_sort(string_split(string_agg(${some}, ','), ',')::BIGINT[]), ',')`,
};

/** The changes of a row that is taken back and shown anew add up to its last one. */
const wholeMean: BatchAggregate = {
  inputs: [
    { type: 'DOUBLE', cell: ({ price }: { readonly price: number }) => price },
    { type: 'DOUBLE', cell: ({ change }: { readonly change: number }) => change },
  ],
  sql: ([price, change]) => `trunc(sum(${price} * ${change}) / sum(${change}))`,
};

/** Errors in a row that no ten minutes part: those of three or more, with what ended them. */
const errorStreaks: BatchFunction = {
  inputs: { error: { type: 'BOOLEAN', cell: ({ status }) => Number(status) >= 400 } },
  sql: `WITH placed AS (
      SELECT *, coalesce(t - lag(t) OVER ofKey > 600000, true) OR NOT lag(error) OVER ofKey AS begins,
        lead(t, 1, 9000000000000000) OVER ofKey AS nextT
      FROM taken WINDOW ofKey AS (PARTITION BY history, key ORDER BY number)
    ), streaks AS (
      SELECT *, sum(begins::INT) OVER (PARTITION BY history, key ORDER BY number) AS streak FROM placed WHERE error
    )
    SELECT history, key, CASE WHEN ended = 'success' THEN nextT ELSE lastT + 600000 END, errors, since, ended
    FROM (
      SELECT history, key, streak, count(*) AS errors, min(t) AS since, max(t) AS lastT, arg_max(nextT, number) AS nextT,
        CASE WHEN arg_max(nextT, number) <= max(t) + 600000 THEN 'success' ELSE 'silence' END AS ended
      FROM streaks GROUP BY history, key, streak
    ) WHERE errors >= 3`,
};

/** What the tables hold that records are looked up in, by name. A pipeline that asks another one must have it here. */
const held: Readonly<Record<string, readonly LookupItem[]>> = {
  ...stillTables,
  addresses: [
    { ip: 'host-0', owner: 'a' },
    { ip: 'host-1', owner: 'b' },
    { ip: 'host-2', owner: 'a' },
    { ip: 'host-3', owner: 'c', isRobot: true },
  ],
};

function tablesOf({ plan }: Pipeline): Readonly<Record<string, readonly LookupItem[]>> {
  const names = lookupTablesOf(plan).map(({ spec }) => spec.name);
  return Object.fromEntries(
    names.map((name) => {
      const items = held[name];
      if (items === undefined) throw new Error(`test/agree/suites.ts does not know what table ${name} holds`);
      return [name, items];
    }),
  );
}

/** What is to be said here before a pipeline can be compared: how the records of its streams are drawn, and what its tables hold. */
export function untoldOf({ plan }: Pipeline): readonly string[] {
  return [
    ...sourcesOf(plan).flatMap(({ id }) => (id in drawn ? [] : [`how records of ${id} are drawn, in "drawn"`])),
    ...lookupTablesOf(plan).flatMap(({ spec }) => (spec.name in held ? [] : [`what ${spec.name} holds, in "held"`])),
  ];
}

/** The pipelines of the registry that are not compared until test/agree/suites.ts says what they need. */
export const untold: readonly string[] = pipelines.flatMap((pipeline) =>
  untoldOf(pipeline).map((what) => `pipelines/${pipeline.id}: test/agree/suites.ts does not say ${what}`),
);

/** Every other pipeline of the registry, and every one that the simulation knows; each of them as it stands. */
export const suites: readonly Suite[] = [
  ...gridOf(),
  ...sqlSuites(),
  ...pipelines
    .filter((pipeline) => untoldOf(pipeline).length === 0)
    .map(
      (pipeline): Suite => ({
        name: `pipelines/${pipeline.id}`,
        pipeline: fewSlots(pipeline),
        own: {
          aggregates: { 'nexmark-whole-mean': wholeMean },
          functions: { 'error-streaks': errorStreaks },
          driver: { tables: tablesOf(pipeline) },
        },
        histories: historiesOf(
          sourcesOf(pipeline.plan).map(({ id }) => drawn[id] as StreamHistory<never>),
          { pace: pipeline.id.startsWith('nexmark') ? seconds(2) : minutes(2) },
        ),
      }),
    ),
  ...simPipelines
    // The same with more slots is the same, and what is late where shards fall silent is a matter of time.
    .filter(({ pipeline, earlier, hasIdle }) => pipeline.plan.slots === 1 && earlier === undefined && !hasIdle)
    .map(
      ({ pipeline, sources }, index): Suite => ({
        name: `simulation/${pipeline.id}-${index}`,
        pipeline,
        histories: historiesOf(sources.map(ofSim), {}),
        own: {
          aggregates: { ids, 'ids-of-rows': idsOfRows, 'ids-of-firsts': idsOfRows },
          driver: { tables: tablesOf(pipeline) },
        },
      }),
    ),
];

/** Every window, with every aggregator that a query can say, wherever it may be placed. */
function gridOf(): readonly Suite[] {
  const keyed = readings({ outOfOrderness: 3_000 })
    .flatMap((reading) => [reading, ...(reading.tags ?? []).map((tag) => ({ ...reading, key: tag }))])
    .keyBy((reading) => ({ key: reading.key, even: reading.amount % 2 === 0 }));
  const value = (reading: Reading): number => reading.amount / 4;
  const columns = {
    n: count<Reading>(),
    large: count((reading: Reading) => reading.amount > 20),
    total: sum(value),
    mean: mean(value),
    least: min(value),
    most: max(value),
    median: quantile(0.5, value),
    p90: quantile(0.9, value, { accuracy: 0.05 }),
    different: countDistinct((reading: Reading) => reading.at),
    variance: variance(value),
    stddev: stddev(value, { population: true }),
    covariance: covariance(value, (reading: Reading) => reading.at % 10_000),
    correlation: correlation(value, (reading: Reading) => reading.at % 10_000),
    first: first((reading: Reading) => reading.amount),
    last: last((reading: Reading) => ({ of: reading.key, amount: reading.amount })),
    cheapest: argMin((reading: Reading) => reading.at, { by: value }),
    dearest: argMax((reading: Reading) => reading.tags ?? null, { by: (reading) => reading.key }),
    bands: histogram(value, { bounds: [1, 2.5, 7] }),
    parts: quantiles({ p25: 0.25, p75: 0.75 }, value),
    fit: linearRegression((reading: Reading) => reading.at % 10_000, value),
    rate: rateOfChange(value),
    average: ewma(value, { halfLife: seconds(2) }),
    score: zScore(value),
    dearestAll: argMaxAll((reading: Reading) => reading.tags ?? null, { by: value }),
    begins: collect((reading: Reading) => reading.amount, { max: 2 }),
    ends: collect((reading: Reading) => [reading.key, reading.amount], { max: 2, keep: 'last' }),
    tags: distinct((reading: Reading) => reading.tags ?? null, { max: 2 }),
    amounts: exactDistinct((reading: Reading) => reading.amount, { max: 3 }),
    money: decimalSum((reading: Reading) => `${reading.amount}.${reading.amount % 7}0`),
    frequent: topK((reading: Reading) => reading.tags ?? null, { k: 2, weight: (reading) => reading.amount }),
    few: sampled((reading: Reading) => reading.amount, { size: 2, by: (reading) => reading.key }),
  };
  const perRow = { each: ratio('total', 'n'), perSecond: rate('n') } as const;
  const lateColumns = { amount: (reading: Reading) => reading.amount, at: (reading: Reading) => reading.at };
  const aligned = (name: string, window: AlignedWindow): AnyOutput =>
    keyed
      .window(window, {
        allowedLateness: milliseconds(1_500),
        refresh: milliseconds(1),
        placement: 'lambda',
      })
      .aggregate(name, columns)
      .derive({ ...perRow, share: shareOfTotal('total') })
      .to(sink);
  const windows = {
    tumbling: tumbling(milliseconds(10_000)),
    'sliding-evenly': sliding(milliseconds(12_000), { every: milliseconds(4_000) }),
    'sliding-unevenly': sliding(milliseconds(10_000), { every: milliseconds(4_000) }),
    cumulative: cumulative(milliseconds(12_000), { step: milliseconds(3_000) }),
  } as const;
  const calendars = [
    calendar('day', { timeZone: 'Europe/Berlin' }),
    calendar('day', { timeZone: 'America/St_Johns' }),
    calendar('week', { timeZone: 'America/New_York', weekStart: 'sunday' }),
    calendar('week', { timeZone: 'Australia/Lord_Howe' }),
    calendar('month', { timeZone: 'Asia/Kathmandu' }),
    calendar('day', { timeZone: 'Africa/Cairo' }),
    calendar('day', { timeZone: 'America/Havana' }),
  ];
  const histories = historiesOf([ofReadings as never], {});
  // Over a month, so that clocks are changed in some.
  const months = ['2026-03-05', '2026-10-20', '2025-12-30', '2026-04-20'].map((start) =>
    historiesOf([ofReadings as never], { pace: hours(40), start: new Date(start) }),
  );
  const overMonths = fc.constantFrom(...months).chain((month) => month);
  return [
    // Each of them is run on the worker too.
    ...Object.entries(windows).map(
      ([name, window]): Suite => ({
        name,
        pipeline: pipelineOf([aligned('view', window)], { slots: 2 }),
        histories,
      }),
    ),
    ...calendars.map(
      (window): Suite => ({
        name: `${window.unit}s in ${window.timeZone}`,
        pipeline: pipelineOf([aligned('view', window)], { slots: 2 }),
        histories: overMonths,
      }),
    ),
    ...[
      { lateness: 0, what: 'sessions', gap: milliseconds(4_000) },
      { lateness: 2_000, what: 'sessions', gap: milliseconds(4_000) },
      { lateness: 0, what: 'sessions of at most 9 s', gap: milliseconds(4_000), maxLength: milliseconds(9_000) },
      { lateness: 2_000, what: 'sessions of at most 9 s', gap: milliseconds(4_000), maxLength: milliseconds(9_000) },
    ].map(({ lateness, what, ...bounds }): Suite => {
      const sessions = keyed
        .window(session(bounds), { allowedLateness: milliseconds(lateness) })
        .aggregate('view', columns);
      return {
        name: `${what}, lateness ${lateness}`,
        pipeline: pipelineOf([sessions.derive(perRow).to(sink), sessions.late('late', lateColumns).to(sink)], {
          slots: 2,
        }),
        histories,
      };
    }),
    {
      name: 'ranked rows with shares',
      pipeline: pipelineOf(
        Object.entries(windows).flatMap(([name, window]) => {
          const derived = keyed
            .window(window, { allowedLateness: milliseconds(0), emit: 'on-close' })
            .aggregate(name, { n: columns.n, total: columns.total })
            .derive({ ...perRow, share: shareOfTotal('total') });
          return [
            derived.top(`${name}-first`, 2, { by: 'share' }).to(sink),
            derived.rank(`${name}-mean`, 1, { by: 'each' }).to(sink),
          ];
        }),
        { slots: 2 },
      ),
      histories,
    },
    {
      name: 'late records',
      pipeline: pipelineOf(
        Object.entries(windows).flatMap(([name, window]) => {
          const step = keyed
            .window(window, { allowedLateness: milliseconds(500) })
            .aggregate(name, { n: columns.n, fit: columns.fit, parts: columns.parts, total: columns.total });
          const parts = { slope: part('fit.slope'), middle: part('parts.p75'), next: prediction('fit', { at: 'n' }) };
          return [step.derive(parts).to(sink), step.late(`late-${name}`, lateColumns).to(sink)];
        }),
        { slots: 2 },
      ),
      histories,
    },
  ];
}
