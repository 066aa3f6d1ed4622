// How many workers a load takes. What a worker has to do is what comes in, and what has piled up: that should be gone within `drainMs`.
//
//     comes in      busyRatio, the share of its time that it takes
//     piled up      behindMs of the same, to be done within drainMs
//     drain load    busyRatio * (1 + behindMs / drainMs), in workers: above 1 it does not get there
//
// While a worker is behind it is busy all the time, with more than what comes in. So the load is then too high rather than too low: workers
// come early, and go when what piled up is gone.

/** What a fleet is scaled to: the rest is for the load of the next minutes, and for a worker that dies. */
export const drainLoadTarget = 0.7;
/** Reads are always a little behind: less than this is not. */
export const behindMsMin = 10_000;

/** The load of one worker, or thread of one. */
export function drainLoadOf(it: {
  readonly busyRatio: number;
  readonly behindMs: number;
  readonly drainMs: number;
}): number {
  return it.busyRatio * (1 + it.behindMs / it.drainMs);
}

/**
 * The load of a fleet. As long as one worker is behind it is never below the target, whatever the others do: nobody is sent away while
 * there is something to catch up with.
 */
export function fleetLoadOf(it: {
  /** The mean over the workers. */
  readonly drainLoad: number;
  /** The maximum over the workers. */
  readonly behindMs: number;
}): number {
  return it.behindMs >= behindMsMin ? Math.max(it.drainLoad, drainLoadTarget) : it.drainLoad;
}

/** `fleetLoadOf` in the words of CloudWatch, over the metrics with these ids. */
export function fleetLoadExpression(it: { readonly drainLoad: string; readonly behindMs: string }): string {
  const isLifted = `${it.behindMs} >= ${behindMsMin} AND ${it.drainLoad} < ${drainLoadTarget}`;
  return `IF(${isLifted}, ${drainLoadTarget}, ${it.drainLoad})`;
}
