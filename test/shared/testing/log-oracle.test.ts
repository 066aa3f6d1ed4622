import { expect, test } from 'vitest';
import * as z from 'zod';
import {
  count,
  dynamodb,
  hours,
  minutes,
  pipeline,
  seconds,
  session,
  stream,
  tumbling,
} from '#shared/pipeline/index.ts';
import type { Block, Roster } from '#shared/schemas/block.ts';
import { subMax } from '#shared/schemas/position.ts';
import { type LogEntry, logOracle } from '#shared/testing/log-oracle.ts';

const source = stream('clicks', {
  schema: z.object({ at: z.number(), user: z.string() }),
  timestamp: (click) => click.at,
  outOfOrderness: seconds(0),
  idleAfter: minutes(1),
});
const byUser = source.keyBy((click) => ({ user: click.user }));
const sink = dynamodb({ ttl: hours(1) });
const clicks = pipeline(
  'clicks',
  [
    byUser
      .window(tumbling(seconds(10)), { allowedLateness: seconds(5) })
      .aggregate('ten', { clicks: count() })
      .to(sink),
    byUser
      .window(session({ gap: seconds(10) }), { allowedLateness: seconds(0) })
      .aggregate('visits', { clicks: count() })
      .to(sink),
  ],
  { slots: 1 },
);

/** A block of one output a sequence number, in whole seconds. */
function block(
  shard: string,
  times: Readonly<Record<string, number>>,
  options: {
    readonly to?: number;
    readonly watermark: number | null;
    readonly roster?: Roster;
    readonly arrival?: number;
  },
): LogEntry {
  const sequences = Object.keys(times);
  const last = String(options.to ?? sequences.at(-1) ?? 0);
  const made: Block = {
    version: 1,
    pipeline: 'clicks',
    plan: clicks.planHash,
    slots: 1,
    slot: 0,
    origin: {
      source: 'clicks',
      shard,
      from: null,
      to: [last, subMax],
      watermarkMs: options.watermark === null ? null : options.watermark * 1_000,
      roster: options.roster ?? { [shard]: [] },
    },
    routes: [
      {
        route: 'clicks/key',
        sequences,
        sequence: sequences.map((_, index) => index),
        sub: sequences.map(() => 0),
        timeMs: Object.values(times).map((time) => time * 1_000),
        keys: ['user=ann'],
        key: sequences.map(() => 0),
        shares: sequences.map(() => 2),
        columns: [],
      },
    ],
  };
  return { block: made, arrivalMs: (options.arrival ?? 0) * 1_000 };
}

function judge(...log: readonly LogEntry[]): {
  readonly late: Readonly<Record<string, readonly string[]>>;
  readonly cells: readonly string[];
} {
  const verdict = logOracle(clicks, new Map([[0, log]]));
  return {
    late: Object.fromEntries(
      [...verdict.late].map(([step, ids]) => [step, [...ids].map((id) => id.split('/').slice(1, 3).join('/'))]),
    ),
    cells: [...verdict.cells].flatMap(([step, cells]) =>
      cells.map((cell) => `${step} ${cell.startMs / 1_000}-${cell.endMs / 1_000} ${cell.outputIds.length}`),
    ),
  };
}

test('outputs at or below the mark are the same outputs again', () => {
  const once = judge(block('a', { 1: 3, 2: 4 }, { watermark: 4 }), block('a', { 3: 5 }, { watermark: 5 }));
  const again = judge(
    block('a', { 1: 3, 2: 4 }, { watermark: 4 }),
    block('a', { 1: 3, 2: 4, 3: 5 }, { watermark: 5 }),
    block('a', { 2: 4 }, { watermark: 4 }),
  );
  expect(again).toEqual(once);
  expect(once.cells).toEqual(['ten 0-10 3', 'visits 3-15 3']);
});

test('a record is judged by the watermark before its block', () => {
  // [0, 10) closes at 15.
  expect(judge(block('a', { 1: 20, 2: 3 }, { watermark: 20 })).late).toEqual({ ten: [], visits: [] });
  expect(
    judge(block('a', { 1: 14.999 }, { watermark: 14.999 }), block('a', { 2: 3 }, { watermark: 15 })).late['ten'],
  ).toEqual([]);
  expect(judge(block('a', { 1: 15 }, { watermark: 15 }), block('a', { 2: 3 }, { watermark: 15 })).late['ten']).toEqual([
    'a/2',
  ]);
});

test('a listed root that was not seen holds the watermark, until it has been idle for too long', () => {
  const roster = { a: [], b: [] };
  const first = block('a', { 1: 100 }, { watermark: 100, roster, arrival: 0 });
  const late = (arrival: number) =>
    judge(
      first,
      block('a', {}, { to: 1, watermark: 100, roster, arrival: 1 }),
      block('a', {}, { to: 1, watermark: 100, roster, arrival }),
      block('a', { 2: 3 }, { watermark: 100, roster, arrival }),
    ).late['ten'];
  expect(late(60)).toEqual([]);
  expect(late(60.001)).toEqual(['a/2']);
});

test("an unseen child of a retired origin holds at the parent's watermark", () => {
  const roster = { a: [], left: ['a'], right: ['a'] };
  const log = [block('a', { 1: 10 }, { watermark: 10, roster }), block('left', { 1: 100 }, { watermark: 100, roster })];
  expect(judge(...log, block('right', { 1: 3 }, { watermark: 3, roster })).late['ten']).toEqual([]);
  const heard = block('right', { 1: 40 }, { watermark: 40, roster });
  expect(judge(...log, heard, block('right', { 2: 3 }, { watermark: 40, roster })).late['ten']).toEqual(['right/2']);
});

test('late blocks of a retired origin are deduplicated and hold nothing', () => {
  const roster = { a: [], b: ['a'] };
  const log = [
    block('a', { 1: 10 }, { watermark: 10, roster }),
    block('b', { 1: 100 }, { watermark: 100, roster }),
    block('a', { 1: 10 }, { watermark: 10, roster }),
    block('b', { 2: 3 }, { watermark: 100, roster }),
  ];
  expect(judge(...log).late['ten']).toEqual(['b/2']);
  expect(judge(...log).cells).toContain('ten 10-20 1');
});

test('a record joins the open session that it touches before it is judged, and a closed one never', () => {
  // 0 and 10 are one session to 20; at W = 15 a record at 4 alone would end at 14.
  const open = [block('a', { 1: 0, 2: 10 }, { watermark: 15 }), block('a', { 3: 4 }, { watermark: 15 })];
  expect(judge(...open).late['visits']).toEqual([]);
  expect(judge(...open).cells).toContain('visits 0-20 3');
  const closed = [block('a', { 1: 0, 2: 10 }, { watermark: 21 }), block('a', { 3: 4 }, { watermark: 21 })];
  expect(judge(...closed).late['visits']).toEqual(['a/3']);
});
