/** A seeded source of chance: the same seed gives the same numbers on every machine. */
export interface Random {
  /** A whole number in [0, count). */
  readonly below: (count: number) => number;
  /** A whole number in [min, max]. */
  readonly between: (min: number, max: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(items: readonly T[]) => T;
}

export function createRandom(seed: number, stream: string): Random {
  let state = mix(seed);
  // Several streams of one seed must not run in step, so that a fault less does not change the schedule's numbers.
  for (const character of stream) state = mix(state ^ (character.codePointAt(0) ?? 0));
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0;
    return mix(state) / 4_294_967_296;
  };
  const below = (count: number): number => Math.floor(next() * count);
  return {
    below,
    between: (min, max) => min + below(max - min + 1),
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
  };
}

/** The finaliser of MurmurHash3: every bit of the input decides every bit of the output. */
function mix(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
