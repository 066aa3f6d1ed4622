import { createRandom } from '#cli/generate.ts';
import { blockTargets } from './blocks.ts';
import { callbackTargets } from './callbacks.ts';
import { decoderTargets } from './decoders.ts';
import { scannedValueTargets } from './scanned-values.ts';
import { scannerTargets } from './scanner.ts';
import { sqlTargets } from './sql.ts';
import { stateCodecTargets } from './state-codecs.ts';

/** Draws of one seed. */
export interface Draw {
  /** At least 0 and below 1. */
  readonly share: () => number;
  /** A whole number, at least 0 and below `end`. */
  readonly below: (end: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(from: readonly T[]) => T;
}

/** Something that takes any input. A row of the table, so that whoever adds a parser or a codec adds one too. */
export interface FuzzTarget {
  readonly name: string;
  /** The group that `--target` names too: `decoders` are all of them. */
  readonly group: string;
  /** Makes one input of the draws and tries it. Throws when it crashes, or differs from what it is compared with. */
  readonly tryOne: (draw: Draw) => void;
}

export const targets: readonly FuzzTarget[] = [
  ...decoderTargets,
  ...sqlTargets,
  ...scannerTargets,
  ...scannedValueTargets,
  ...blockTargets,
  ...callbackTargets,
  ...stateCodecTargets,
];

export function drawOf(seed: number): Draw {
  const share = createRandom(seed);
  const below = (end: number): number => Math.floor(share() * end);
  return {
    share,
    below,
    chance: (probability) => share() < probability,
    pick: (from) => from[below(from.length)] as (typeof from)[number],
  };
}

/** Runs the seeds from `seed` on; gives what the first one that failed threw. */
export function tryTarget(
  target: FuzzTarget,
  { seed, runs }: { readonly seed: number; readonly runs: number },
): { readonly seed: number; readonly error: unknown } | undefined {
  for (let at = seed; at < seed + runs; at += 1) {
    try {
      target.tryOne(drawOf(at));
    } catch (error) {
      return { seed: at, error };
    }
  }
  return undefined;
}
