import { describe, expect, test } from 'vitest';
import {
  behindMsMin,
  drainLoadOf,
  drainLoadTarget,
  fleetLoadExpression,
  fleetLoadOf,
} from '#shared/engine/slots/drain.ts';
import { runFleet, wantedTasks } from './fleet.ts';
import recorded from './recorded-load.json' with { type: 'json' };

const drainMs = 300_000;

describe('drain load', () => {
  test('of a worker that keeps up is the share of its time that it works', () => {
    expect(drainLoadOf({ busyRatio: 0.4, behindMs: 0, drainMs })).toBe(0.4);
  });

  test('of one that is behind by the time to drain in is twice what comes in', () => {
    expect(drainLoadOf({ busyRatio: 1, behindMs: drainMs, drainMs })).toBe(2);
  });

  test('of a fleet is never below its target while one worker is behind', () => {
    expect(fleetLoadOf({ drainLoad: 0.1, behindMs: behindMsMin })).toBe(drainLoadTarget);
    expect(fleetLoadOf({ drainLoad: 0.1, behindMs: behindMsMin - 1 })).toBe(0.1);
    expect(fleetLoadOf({ drainLoad: 3, behindMs: behindMsMin })).toBe(3);
  });

  test.each([
    [0.1, 0],
    [0.1, behindMsMin],
    [0.9, behindMsMin],
    [0.9, 0],
  ])('of %d with %d ms behind is the same in the words of CloudWatch', (drainLoad, behindMs) => {
    const [, condition = '', lifted, otherwise] =
      /^IF\((.*), (.*), (.*)\)$/.exec(fleetLoadExpression({ drainLoad: 'load', behindMs: 'behind' })) ?? [];
    const [first, second] = condition.split(' AND ').map((text) => text.split(' '));
    expect(first).toEqual(['behind', '>=', String(behindMsMin)]);
    expect(second).toEqual(['load', '<', String(drainLoadTarget)]);
    expect(otherwise).toBe('load');
    const asCloudWatch = behindMs >= Number(first?.[2]) && drainLoad < Number(second?.[2]) ? Number(lifted) : drainLoad;
    expect(asCloudWatch).toBe(fleetLoadOf({ drainLoad, behindMs }));
  });
});

test('tasks are wanted in proportion, rounded up, within their bounds', () => {
  const wanted = (tasks: number, fleetLoad: number) => wantedTasks({ tasks, fleetLoad, tasksMin: 1, tasksMax: 8 });
  expect(wanted(3, drainLoadTarget)).toBe(3);
  expect(wanted(3, drainLoadTarget * 1.01)).toBe(4);
  expect(wanted(2, 2.1)).toBe(6);
  expect(wanted(4, 0)).toBe(1);
  expect(wanted(4, 9)).toBe(8);
});

// A fleet of up to 16 tasks, each of which does 1,000 records a second, minute by minute, with CloudWatch's alarms (fleet.ts).
describe('a fleet that is scaled on it', () => {
  const retentionMs = 72 * 3_600_000;
  const hours = (count: number) => count * 60;

  test('comes to rest where it keeps up, and stays there', () => {
    const minutes = runFleet({ minutes: hours(6), rateAt: () => 5_000 });
    const settled = minutes.slice(hours(2));
    expect(new Set(settled.map(({ tasks }) => tasks))).toEqual(new Set([8]));
    expect(settled.every(({ behindMs }) => behindMs === 0)).toBe(true);
  });

  test('follows a day of rising and falling load without flapping', () => {
    const day = hours(24);
    const minutes = runFleet({
      minutes: 3 * day,
      rateAt: (minute) => 5_000 - 4_500 * Math.cos((2 * Math.PI * minute) / day),
    }).slice(day);
    const turns = turnsOf(minutes.map(({ tasks }) => tasks));
    // Up and down again, once a day.
    expect(turns).toBeLessThanOrEqual(4);
    expect(Math.max(...minutes.map(({ behindMs }) => behindMs))).toBeLessThan(10 * 60_000);
    expect(Math.min(...minutes.map(({ tasks }) => tasks))).toBeLessThanOrEqual(2);
    expect(Math.max(...minutes.map(({ tasks }) => tasks))).toBeGreaterThanOrEqual(13);
  });

  test('with load that is noisy about the target does not flap', () => {
    let state = 1;
    const noise = () => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647 - 0.5;
    };
    const minutes = runFleet({ minutes: hours(24), rateAt: () => 4_900 * (1 + 0.2 * noise()) });
    expect(turnsOf(minutes.map(({ tasks }) => tasks))).toBeLessThanOrEqual(2);
  });

  test('works off a backlog of a day long before the records expire', () => {
    const minutes = runFleet({ minutes: hours(12), rateAt: () => 3_000, behindMsAtStart: 24 * 3_600_000 });
    expect(Math.max(...minutes.map(({ behindMs }) => behindMs))).toBeLessThan(retentionMs / 2);
    const caughtUp = minutes.findIndex(({ behindMs }) => behindMs === 0);
    expect(caughtUp).toBeGreaterThan(0);
    expect(minutes.at(-1)?.tasks).toBeLessThanOrEqual(6);
  });

  test.each([0, 1, 2, 3])('never sends anybody away while one is behind, load %d', (kind) => {
    const rates = [() => 5_000, (m: number) => (m % 60 < 10 ? 15_000 : 500), (m: number) => m * 10, () => 17_000];
    const minutes = runFleet({ minutes: hours(24), rateAt: rates[kind] ?? (() => 0), behindMsAtStart: 3_600_000 });
    for (const [index, { tasks, behindMs }] of minutes.entries()) {
      const next = minutes[index + 1];
      if (next !== undefined && behindMs >= behindMsMin) expect(next.tasks).toBeGreaterThanOrEqual(tasks);
    }
  });

  test('one hot shard that no task can help is no reason to send the others away', () => {
    const minutes = runFleet({ minutes: hours(3), rateAt: () => 500, hotShard: true, tasksAtStart: 4 });
    expect(Math.min(...minutes.map(({ tasks }) => tasks))).toBe(4);
  });
});

// One worker on the laptop while its traffic rises and falls; it is killed at the highest (bench/record-load.ts).
describe('what a worker has told of itself', () => {
  const { samples } = recorded;
  const loads = samples.map((sample) => fleetLoadOf(sample));
  const wantedAt = (load: number) => wantedTasks({ tasks: 1, fleetLoad: load, tasksMin: 1, tasksMax: 16 });
  const rateMax = Math.max(...samples.map(({ recordsPerSecond }) => recordsPerSecond));
  const firstAtMost = samples.findIndex(({ recordsPerSecond }) => recordsPerSecond === rateMax);
  const lastBehind = samples.findLastIndex(({ behindMs }) => behindMs >= behindMsMin);

  test('is low before the traffic rises, above what it can do behind that, and low again when it has caught up', () => {
    expect(Math.max(...loads.slice(0, firstAtMost))).toBeLessThan(drainLoadTarget);
    expect(Math.max(...loads.slice(firstAtMost, lastBehind + 1))).toBeGreaterThan(1);
    // The load is looked at every five seconds.
    expect(Math.max(...loads.slice(lastBehind + 10))).toBeLessThan(0.9 * drainLoadTarget);
  });

  test('is never low while it is behind', () => {
    for (const [index, { behindMs }] of samples.entries())
      if (behindMs >= behindMsMin) expect(loads[index]).toBeGreaterThanOrEqual(drainLoadTarget);
  });

  test('is more than the share of the time only while it is behind', () => {
    const behind = samples.filter(({ behindMs }) => behindMs > 0);
    expect(behind.length).toBeGreaterThan(0);
    for (const { busyRatio, drainLoad } of samples) {
      expect(drainLoad).toBeGreaterThanOrEqual(busyRatio);
      // The worker looks at itself every five seconds, and how far it is behind is newer: so this is the most that it can have seen.
      const behindMs = Math.max(...samples.map((sample) => sample.behindMs));
      expect(drainLoad).toBeLessThanOrEqual(
        drainLoadOf({ busyRatio, behindMs, drainMs: recorded.drainSeconds * 1_000 }) + 0.001,
      );
    }
  });

  test('wants more workers at its highest, and one when it is over', () => {
    expect(Math.max(...loads.map(wantedAt))).toBeGreaterThan(1);
    expect(loads.slice(-5).map(wantedAt)).toEqual([1, 1, 1, 1, 1]);
  });
});

/** How often the number turns from rising to falling or back. */
function turnsOf(numbers: readonly number[]): number {
  let turns = 0;
  let direction = 0;
  for (const [index, number] of numbers.entries()) {
    const change = Math.sign(number - (numbers[index - 1] ?? number));
    if (change !== 0 && direction !== 0 && change !== direction) turns += 1;
    if (change !== 0) direction = change;
  }
  return turns;
}
