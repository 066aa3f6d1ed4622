import type { Aggregator } from '#shared/pipeline/aggregator.ts';
import {
  type AnyOutput,
  count,
  type JoinKind,
  milliseconds,
  ratio,
  type SlidingWindow,
  seconds,
  session,
  shareOfTotal,
  sliding,
  sum,
  type TumblingWindow,
  tumbling,
} from '#shared/pipeline/index.ts';
import { columns, ids, type Keyed, kept, type records, shares, sink } from './records.ts';

// Pipelines of steps whose rows are a stream again.

/** Which records a row was made from. */
interface WithIds {
  readonly ids: string;
}

/** The records behind all rows. */
export const idsOfRows: Aggregator<WithIds, string, string[], string> = {
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
export function chain(keyed: Keyed): readonly AnyOutput[] {
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
export function ranked(keyed: Keyed): readonly AnyOutput[] {
  const best = final(keyed, sliding(seconds(15), { every: seconds(10) }), 0)
    .aggregate('sliding', columns)
    .top('best', 1, { by: 'requests' });
  return [
    final(keyed, tumbling(seconds(10)), 1)
      .aggregate('per-key', columns)
      .derive({ share: shareOfTotal('total'), each: ratio('total', 'requests') })
      .top('top', 2, { by: 'share' })
      .to(sink),
    best.to(sink),
    final(keyed, tumbling(seconds(10)), 0)
      .aggregate('per-key-too', columns)
      .derive({ share: shareOfTotal('requests') })
      .rank('equals', 2, { by: 'requests', as: 'place' })
      .to(sink),
    best
      .asStream()
      .keyBy((row) => ({ tag: row.key }))
      .window(tumbling(seconds(60)), { allowedLateness: seconds(0), emit: 'on-close' })
      .aggregate('times-best', { ids: idsOfRows, times: count() })
      .to(sink),
  ];
}

/** Sessions beside the records of which they are made, and the pairs counted. */
export function chainedJoin(keyed: Keyed, kind: JoinKind): readonly AnyOutput[] {
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
export function chainedTies(source: ReturnType<typeof records>): readonly AnyOutput[] {
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

/** Functions with state, and tables, over rows and as rows. */
export function chainedProcess(keyed: Keyed): readonly AnyOutput[] {
  const firsts = keyed
    .dedupe('firsts', {
      columns: { id: (record) => record.id },
      within: seconds(4),
      allowedLateness: seconds(1),
    })
    .asStream();
  const perKey = final(keyed, tumbling(seconds(5)), 0)
    .aggregate('per-key', columns)
    .asStream();
  const byKey = perKey.keyBy((row) => ({ key: row.key }));
  return [
    firsts
      .keyBy((row) => ({ odd: row.time.getTime() % 2_000 === 0 }))
      .window(tumbling(seconds(10)), { allowedLateness: seconds(0), emit: 'on-close' })
      .aggregate('counted', { ids: idsOfFirsts, firsts: count() })
      .to(sink),
    byKey
      .process('running', {
        columns: { ids: (row) => row.ids, total: (row) => row.total },
        emits: { ids: 'string', total: 'number' },
        state: () => 0,
        onEvent: (row, { state, emit, setTimer, timeMs }) => {
          state.set(state.get() + row.total);
          emit({ ids: row.ids, total: state.get() });
          setTimer(timeMs + 7_000);
        },
        onTimer: (_, { state, emit }) => emit({ ids: '', total: -state.get() }),
        ttl: seconds(12),
        allowedLateness: seconds(0),
      })
      .asStream()
      .keyBy((row) => ({ tag: row.total < 0 ? 'timers' : 'records' }))
      .window(session({ gap: seconds(3) }), { allowedLateness: seconds(0) })
      .aggregate('runs', { ids: idsOfRows, total: sum((row) => row.total) })
      .to(sink),
    firsts
      .keyBy((row) => ({ key: row.key }))
      .joinTable(byKey, { kind: 'left', allowedLateness: seconds(0) })
      .select('versions', { left: { id: (row) => row.id }, right: { version: (row) => row.ids } })
      .to(sink),
  ];
}

const idsOfFirsts: Aggregator<{ readonly id: number }, string, string[], string> = {
  ...idsOfRows,
  kind: 'ids-of-firsts',
  select: (row) => String(row.id),
};
