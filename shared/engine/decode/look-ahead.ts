/**
 * Knows things by numbers that are given elsewhere, and may be told which of them will be asked for next. One look into memory that is not in
 * the processor's caches takes as long as hundreds of instructions, and looks that do not depend on each other wait together: whoever looks at
 * what is known of many numbers at once, and does nothing else in between, waits once for all of them. What is found later is the same.
 */
export interface LooksAhead {
  /** `numbers` may be changed; -1 stands for none. */
  lookAt(numbers: Int32Array, count: number): void;
}

/** How many numbers are looked at together: many more would be gone from the caches again before they are asked for. */
export const lookedAtMax = 64;

/** Looks at some places of a list; those that it does not have are left out. */
export function lookAtPlaces(list: readonly unknown[], places: Int32Array | Uint32Array, count: number): void {
  let empty = 0;
  for (let index = 0; index < count; index += 1) {
    const place = places[index] as number;
    if (place >= 0 && place < list.length && list[place] === undefined) empty += 1;
  }
  note(empty);
}

/** What is looked at must come to something, or V8 leaves the look out. */
export function note(looked: number): void {
  noted[0] = looked;
}

const noted = new Int32Array(1);
