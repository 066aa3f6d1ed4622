import { drainLoadOf, drainLoadTarget, fleetLoadOf } from '#shared/engine/slots/drain.ts';

// A fleet and what scales it, minute by minute. Target tracking has two alarms: one that wants more tasks, when the metric was above its target for
// three minutes, and one that wants fewer, when it was below nine tenths of it for fifteen; and a time after each change in which it waits.
// https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html

/** What a task does, in records a second. */
const capacity = 1_000;
const drainMs = 300_000;
const tasksMax = 16;
/** A task pulls its image, restores its state and only then works. */
const startMinutes = 3;
const outAfterMinutes = 3;
const inAfterMinutes = 15;
const outCooldownMinutes = 5;
const inCooldownMinutes = 10;

export interface FleetMinute {
  readonly tasks: number;
  /** How old the oldest record is that nobody has read. */
  readonly behindMs: number;
}

/** A run of the fleet; one task at the start, and nothing piled up, unless it is said. */
export function runFleet(it: {
  readonly minutes: number;
  /** Records a second that come in. */
  readonly rateAt: (minute: number) => number;
  readonly behindMsAtStart?: number;
  readonly tasksAtStart?: number;
  /** One task is behind for ever, whatever is done. */
  readonly hotShard?: boolean;
}): readonly FleetMinute[] {
  const run: FleetMinute[] = [];
  /** What has come in and nobody has read, oldest first: when, and how many. */
  const backlog: { minute: number; records: number }[] = [];
  for (let minute = -Math.ceil((it.behindMsAtStart ?? 0) / 60_000); minute < 0; minute += 1)
    backlog.push({ minute, records: it.rateAt(0) * 60 });
  let tasks = it.tasksAtStart ?? 1;
  /** When each task begins to work. */
  const starts = Array.from({ length: tasks }, () => Number.NEGATIVE_INFINITY);
  let above = 0;
  let below = 0;
  let changedOut = Number.NEGATIVE_INFINITY;
  let changedIn = Number.NEGATIVE_INFINITY;
  for (let minute = 0; minute < it.minutes; minute += 1) {
    backlog.push({ minute, records: it.rateAt(minute) * 60 });
    const working = starts.filter((start) => start <= minute).length;
    const canDo = working * capacity * 60;
    const done = take(backlog, canDo);
    const oldest = backlog[0];
    // What came in within the minute and is not read at its end is behind by some of it.
    const behindMs = oldest === undefined ? 0 : (minute - oldest.minute + 1) * 60_000;
    const load = drainLoadOf({ busyRatio: done / canDo, behindMs, drainMs });
    const drainLoad = (load * working) / tasks;
    const fleetLoad = fleetLoadOf({ drainLoad, behindMs: it.hotShard ? 3_600_000 : behindMs });
    run.push({ tasks, behindMs });

    above = fleetLoad > drainLoadTarget ? above + 1 : 0;
    below = fleetLoad < drainLoadTarget * 0.9 ? below + 1 : 0;
    const wanted = wantedTasks({ tasks, fleetLoad, tasksMin: 1, tasksMax });
    if (above >= outAfterMinutes && wanted > tasks && minute - changedOut >= outCooldownMinutes) {
      for (; tasks < wanted; tasks += 1) starts.push(minute + startMinutes);
      changedOut = minute;
    } else if (below >= inAfterMinutes && wanted < tasks && minute - changedIn >= inCooldownMinutes) {
      tasks = wanted;
      starts.sort((a, b) => a - b).length = tasks;
      changedIn = minute;
    }
  }
  return run;
}

/** Takes up to `count` records, the oldest first. Gives how many. */
function take(backlog: { minute: number; records: number }[], count: number): number {
  let left = count;
  while (left > 0 && backlog[0] !== undefined) {
    const taken = Math.min(left, backlog[0].records);
    backlog[0].records -= taken;
    left -= taken;
    if (backlog[0].records === 0) backlog.shift();
  }
  return count - left;
}

/** How many tasks bring a fleet to its target, as target tracking works it out: in proportion, rounded up. */
export function wantedTasks(it: {
  readonly tasks: number;
  readonly fleetLoad: number;
  readonly tasksMin: number;
  readonly tasksMax: number;
}): number {
  // 3 * 0.7 / 0.7 is a little more than 3.
  const wanted = Math.ceil((it.tasks * it.fleetLoad) / drainLoadTarget - 1e-9);
  return Math.min(it.tasksMax, Math.max(it.tasksMin, wanted));
}
