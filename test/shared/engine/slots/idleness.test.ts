import { describe, expect, test } from 'vitest';
import { standstillMs } from '#shared/engine/slots/watermark.ts';
import { type Case, none, restored, split, two, watermarks } from './slot-logs.ts';

const idleAfter = 60_000;

const cases: readonly Case[] = [
  [
    'an idle origin leaves the minimum, one millisecond behind idleAfter',
    [
      { at: 1, shard: 'a', roster: two, watermark: 5, arrival: 0 },
      { at: 2, shard: 'b', roster: two, watermark: 9, arrival: 1 },
      { at: 3, tick: idleAfter },
      { at: 4, shard: 'b', roster: two, watermark: 9, arrival: idleAfter + 1 },
    ],
    [none, 5, 5, 9],
  ],
  [
    'an idle origin that comes back holds W where it is, and no lower',
    [
      { at: 1, shard: 'a', roster: two, watermark: 5, arrival: 0 },
      { at: 2, shard: 'b', roster: two, watermark: 8, arrival: 1 },
      { at: 3, shard: 'b', roster: two, watermark: 9, arrival: idleAfter + 1 },
      { at: 4, shard: 'a', roster: two, watermark: 6, arrival: idleAfter + 2 },
      { at: 5, shard: 'b', roster: two, watermark: 12, arrival: idleAfter + 3 },
    ],
    [none, 5, 9, 9, 9],
  ],
  [
    'a root that is never seen is given up behind idleAfter',
    [
      { at: 1, shard: 'a', roster: two, watermark: 5, arrival: 0 },
      { at: 2, shard: 'a', roster: two, watermark: 6, arrival: 1 },
      { at: 3, tick: idleAfter },
      { at: 4, tick: idleAfter + 1 },
    ],
    [none, none, none, 6],
  ],
  [
    'when all are idle W stays, however long',
    [
      { at: 1, watermark: 5, arrival: 0 },
      { at: 2, tick: idleAfter * 10 },
    ],
    [5, 5],
  ],
  [
    'when all are idle at once W goes to the least of those that spoke',
    [
      { at: 1, shard: 'a', roster: { a: [], b: [], c: [] }, watermark: 5, arrival: 0 },
      { at: 2, shard: 'b', roster: { a: [], b: [], c: [] }, watermark: 9, arrival: 0 },
      { at: 3, tick: idleAfter },
      { at: 4, tick: idleAfter + 1 },
    ],
    [none, none, none, 5],
  ],
  [
    'when a silent source speaks again all of its origins are waited for anew',
    [
      { at: 1, shard: 'a', roster: two, watermark: 5, arrival: 0 },
      { at: 2, shard: 'b', roster: two, watermark: 6, arrival: 0 },
      { at: 3, tick: idleAfter + 1 },
      { at: 4, shard: 'a', roster: two, watermark: 20, arrival: idleAfter + 2 },
      { at: 5, shard: 'b', roster: two, watermark: 18, arrival: 2 * idleAfter },
    ],
    [none, 5, 5, 6, 18],
  ],
  [
    'of those that do not speak with it only until they are idle again, and W is where those are that did',
    [
      { at: 1, shard: 'a', roster: two, watermark: 5, arrival: 0 },
      { at: 2, shard: 'b', roster: two, watermark: 6, arrival: 0 },
      { at: 3, shard: 'a', roster: two, watermark: 20, arrival: idleAfter + 1 },
      { at: 4, tick: 2 * idleAfter + 1 },
      { at: 5, tick: 2 * idleAfter + 2 },
    ],
    [none, 5, 6, 6, 20],
  ],
  [
    'a log without a block for two minutes stood still: nobody was silent meanwhile',
    [
      { at: 1, shard: 'a', roster: two, watermark: 5, arrival: 10 },
      { at: 2, shard: 'b', roster: two, watermark: 6, arrival: 10 },
      { at: 3, tick: 11 + standstillMs },
      { at: 4, shard: 'a', roster: two, watermark: 20, arrival: 12 + standstillMs },
      { at: 5, shard: 'b', roster: two, watermark: 18, arrival: 11 + standstillMs + idleAfter },
    ],
    [none, 5, 5, 6, 18],
  ],
  [
    'one that was idle before the standstill is waited for too',
    [
      { at: 1, shard: 'a', roster: two, watermark: 5, arrival: 10 },
      { at: 2, shard: 'b', roster: two, watermark: 6, arrival: 10 },
      { at: 3, shard: 'b', roster: two, watermark: 7, arrival: idleAfter },
      { at: 4, shard: 'b', roster: two, watermark: 8, arrival: 11 + idleAfter },
      { at: 5, shard: 'b', roster: two, watermark: 20, arrival: 12 + idleAfter + standstillMs },
      { at: 6, shard: 'a', roster: two, watermark: 18, arrival: 13 + idleAfter + standstillMs },
      { at: 7, shard: 'b', roster: two, watermark: 21, arrival: 13 + 2 * idleAfter + standstillMs },
    ],
    [none, 5, 5, 8, 8, 18, 18],
  ],
  [
    'an unseen child is waited for from the time at which its parent retired',
    [
      { at: 1, shard: 'a', roster: split, watermark: 5, arrival: 0 },
      { at: 2, shard: 'b', roster: split, watermark: 9, arrival: idleAfter },
      { at: 3, shard: 'b', roster: split, watermark: 9, arrival: 2 * idleAfter },
      { at: 4, shard: 'b', roster: split, watermark: 9, arrival: 2 * idleAfter + 1 },
    ],
    [5, 5, 5, 9],
  ],
  [
    'a late block of a retired origin does not make its unseen child wait longer',
    [
      { at: 1, shard: 'a', roster: split, watermark: 5, arrival: 0 },
      { at: 2, shard: 'b', roster: split, watermark: 9, arrival: 0 },
      { at: 3, shard: 'b', roster: split, watermark: 9, arrival: 1 },
      { at: 4, shard: 'a', roster: split, watermark: 5, arrival: idleAfter },
      { at: 5, shard: 'b', roster: split, watermark: 9, arrival: idleAfter + 1 },
    ],
    [5, 5, 5, 5, 9],
  ],
  [
    'the clock does not run back when a block arrives with an earlier time',
    [
      { at: 1, shard: 'a', roster: two, watermark: 5, arrival: 0 },
      { at: 2, shard: 'b', roster: two, watermark: 9, arrival: 1 },
      { at: 3, tick: idleAfter + 1 },
      { at: 4, shard: 'b', roster: two, watermark: 12, arrival: 2 },
    ],
    [none, 5, 9, 12],
  ],
];

describe('the watermark of a slot whose source has an idleAfter', () => {
  test.each(cases)('%s', (_, steps, expected) => {
    expect(watermarks(steps, { idleAfter })).toEqual(expected);
  });

  test.each(cases)('saved and restored between any two blocks: %s', (_, steps, expected) => {
    expect(restored(steps, { idleAfter })).toEqual(expected);
  });
});
