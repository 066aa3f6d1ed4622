import type { Told } from '#shared/adapters/telemetry/forward.ts';

/** What a thread of the worker is given when it starts. */
export interface Start {
  /** From 0. */
  readonly thread: number;
  /** What of its memory its state may take, in MB; more of it lies on the disk. */
  readonly stateMb: number;
}

/** To a thread: hand over and end. */
export type Request = 'stop';

/** From a thread. */
export type Report =
  | Told
  /** It gets on. Told several times a lease period. */
  | { readonly kind: 'alive'; readonly isReady: boolean; readonly isMoving: boolean }
  /** It has handed over all it had. */
  | { readonly kind: 'stopped' };
