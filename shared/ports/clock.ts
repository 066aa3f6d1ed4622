/** Time as the runtime sees it: the wall clock in a host, the scheduler's virtual clock in a simulation. */
export interface Clock {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Resolves `ms` milliseconds later. */
  readonly sleep: (ms: number) => Promise<void>;
}
