import {
  type AnyOutput,
  calendar,
  count,
  countWindow,
  cumulative,
  days,
  everyRecords,
  everyTime,
  global,
  kinesis,
  milliseconds,
  type Placement,
  ratio,
  s3,
  seconds,
  session,
  shareOfTotal,
  sliding,
  tumbling,
} from '#shared/pipeline/index.ts';
import { idsOfRows } from './chained.ts';
import { columns, ids, type Keyed, type SimValue, shares, sink } from './records.ts';

// Windows beyond the tumbling and sliding ones.

const cumulated = (name: string, keyed: Keyed, placement: Placement): AnyOutput =>
  keyed
    .window(cumulative(seconds(20), { step: seconds(5) }), {
      allowedLateness: seconds(1),
      refresh: milliseconds(500),
      placement,
    })
    .aggregate(name, columns)
    .derive(shares)
    .to(sink);

/** The simulation begins at midnight, and at the beginning of a month, in UTC. */
const daily = (name: string, keyed: Keyed, placement: Placement): AnyOutput =>
  keyed
    .window(calendar('day', { timeZone: 'UTC' }), { allowedLateness: seconds(0), refresh: seconds(1), placement })
    .aggregate(name, columns)
    .derive({ share: shareOfTotal('total') })
    .to(sink);

/** Windows of several sizes, on both hosts, and their best rows. */
export function ofSeveralSizes(keyed: Keyed): readonly AnyOutput[] {
  const closing = { allowedLateness: seconds(0), emit: 'on-close' } as const;
  return [
    cumulated('cumulative', keyed, 'lambda'),
    cumulated('cumulative-on-worker', keyed, 'fargate'),
    daily('days', keyed, 'lambda'),
    daily('days-on-worker', keyed, 'fargate'),
    keyed
      .window(cumulative(seconds(15), { step: seconds(5) }), closing)
      .aggregate('so-far', columns)
      .top('best-so-far', 2, { by: 'total' })
      .to(sink),
    keyed
      .window(calendar('month', { timeZone: 'UTC' }), closing)
      .aggregate('months', columns)
      .top('best-of-month', 1, { by: 'requests' })
      .to(sink),
  ];
}

/** Late records as views: on Lambda, of sessions, and in every kind of sink. */
export function withLateViews(keyed: Keyed): readonly AnyOutput[] {
  const shown = { id: (record: SimValue) => record.id, at: (record: SimValue) => record.at };
  const onLambda = keyed
    .window(tumbling(seconds(10)), { allowedLateness: seconds(1), refresh: milliseconds(1) })
    .aggregate('on-lambda', columns);
  const sessions = keyed
    .window(session({ gap: seconds(4) }), { allowedLateness: seconds(0) })
    .aggregate('sessions', columns);
  const hopping = keyed
    .window(sliding(seconds(15), { every: seconds(10) }), { allowedLateness: seconds(0), placement: 'fargate' })
    .aggregate('hopping', columns);
  return [
    onLambda.to(sink),
    onLambda.late('late-on-lambda', shown).to(sink),
    sessions.to(sink),
    sessions
      .late('late-for-sessions', { id: shown.id })
      .to(kinesis(), sink, s3({ format: 'ndjson', every: seconds(5), rowsMax: 2 })),
    hopping.late('late-for-hopping', shown).to(sink),
    hopping.derive(shares).to(sink),
    // Without a view: its letters are there still.
    keyed
      .window(tumbling(seconds(5)), { allowedLateness: seconds(0) })
      .aggregate('short', columns)
      .to(sink),
  ];
}

/** Windows that show what they have so far, and whose final rows alone go on. */
export function withEarlyRows(keyed: Keyed): readonly AnyOutput[] {
  const early = { every: seconds(2), time: 'event' } as const;
  const byEvent = keyed
    .window(sliding(seconds(15), { every: seconds(10) }), { allowedLateness: seconds(1), emit: 'on-close', early })
    .aggregate('by-event', columns);
  return [
    byEvent.derive(shares).to(sink, kinesis()),
    byEvent
      .asStream()
      .keyBy((row) => ({ odd: row.requests % 2 === 1 }))
      .window(tumbling(seconds(30)), { allowedLateness: seconds(0), emit: 'on-close', early: { every: seconds(1) } })
      .aggregate('over-windows', { ids: idsOfRows, windows: count() })
      .to(sink),
    keyed
      .window(tumbling(seconds(10)), {
        allowedLateness: seconds(0),
        emit: 'on-close',
        early: { every: milliseconds(500) },
        placement: 'lambda',
      })
      .aggregate('by-arrival', columns)
      .derive(shares)
      .to(sink),
  ];
}

/** Windows that each key has of its own, which show what they have so far until they close. */
export function ofKeys(keyed: Keyed): readonly AnyOutput[] {
  const windows = { allowedLateness: seconds(1), early: { every: milliseconds(500) } } as const;
  return [
    keyed
      .window(session({ gap: seconds(4) }), windows)
      .aggregate('sessions', columns)
      .to(sink),
    keyed
      .window(session({ gap: seconds(4), maxLength: seconds(9) }), {
        ...windows,
        early: { every: seconds(2), time: 'event' },
      })
      .aggregate('visits', columns)
      .to(sink, kinesis()),
    keyed
      .window(countWindow(4, { incomplete: 'emit' }), windows)
      .aggregate('fours', columns)
      .to(sink),
    keyed
      .window(countWindow(3, { ttl: seconds(8) }), { ...windows, early: { every: seconds(1), time: 'event' } })
      .aggregate('threes', columns)
      .to(sink),
  ];
}

/** Windows that close while their stream is silent, here, in sessions, behind a join of two streams and behind other windows. */
export function closingInSilence(a: Keyed, b: Keyed): readonly AnyOutput[] {
  const windows = { allowedLateness: seconds(0) };
  return [
    a
      .window(tumbling(seconds(10)), { ...windows, refresh: milliseconds(1) })
      .aggregate('on-lambda', columns)
      .to(sink),
    a
      .window(session({ gap: seconds(4) }), windows)
      .aggregate('sessions', columns)
      .to(sink),
    a
      .join(b, { within: [seconds(-4), seconds(8)], kind: 'full', allowedLateness: seconds(0) })
      .select('pairs', { left: { leftId: (record) => record.id }, right: { rightId: (record) => record.id } })
      .to(sink),
    b
      .window(tumbling(seconds(5)), { ...windows, emit: 'on-close' })
      .aggregate('fives', columns)
      .asStream()
      .keyBy((row) => ({ odd: row.requests % 2 === 1 }))
      .window(tumbling(seconds(10)), { ...windows, emit: 'on-close' })
      .aggregate('over-fives', { ids: idsOfRows, windows: count() })
      .to(sink),
  ];
}

/** Windows that depend on which record of a key comes first. */
export function inOrderOfTime(keyed: Keyed): readonly AnyOutput[] {
  const strict = { allowedLateness: seconds(0) };
  const visits = keyed
    .window(session({ gap: seconds(4), maxLength: seconds(9) }), { allowedLateness: seconds(1) })
    .aggregate('visits', columns);
  const threes = keyed.window(countWindow(3), strict).aggregate('threes', columns);
  return [
    visits.to(sink),
    visits.late('late-visits', { id: (record) => record.id }).to(sink),
    threes.to(sink, kinesis()),
    threes
      .asStream()
      .keyBy((row) => ({ odd: row.total % 4 === 2 }))
      .window(session({ gap: seconds(6), maxLength: seconds(15) }), strict)
      .aggregate('over-threes', { ids: idsOfRows, threes: count() })
      .to(sink),
    keyed
      .window(countWindow(4, { incomplete: 'emit', ttl: seconds(8) }), strict)
      .aggregate('fours', columns)
      .to(sink),
    keyed
      .window(global({ trigger: [everyRecords(3), everyTime(seconds(5))] }), strict)
      .aggregate('all', columns)
      .derive({ mean: ratio('total', 'requests') })
      .to(sink),
    keyed
      .window(
        global({ trigger: [everyRecords(2), everyTime(milliseconds(500), { time: 'arrival' })], ttl: days(1) }),
        strict,
      )
      .aggregate('by-arrival', columns)
      .to(sink),
    keyed
      .window(global({ trigger: everyTime(seconds(7)), ttl: seconds(10) }), { allowedLateness: seconds(2) })
      // The records of a key that begins anew are no longer in its row, which the column of that name would complain of.
      .aggregate('lately', { recent: ids, requests: columns.requests })
      .to(sink),
  ];
}
