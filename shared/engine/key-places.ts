/** A place is looked for in so many steps at most, which chance alone does not reach: keys that were chosen to meet are left to a Map. */
const stepsMax = 128;
const slotsMin = 16;

/**
 * Where each of a list of keys is in it: a hash table with open addressing that holds hashes and numbers and not the keys, so that it is a
 * third of a Map of them, grows without looking at a key, and costs the garbage collector nothing.
 */
export class KeyPlaces {
  readonly #keys: readonly string[];
  /** Hash, and place + 1; 0 where there is none. */
  #slots = new Int32Array(2 * slotsMin);
  /** Of a slot's first number. */
  #mask = 2 * slotsMin - 2;
  #count = 0;
  #map: Map<string, number> | undefined;

  /** `keys` holds each key at its place before it is set here. */
  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  get(key: string): number | undefined {
    if (this.#map !== undefined) return this.#map.get(key);
    const hash = hashOf(key);
    const slots = this.#slots;
    const mask = this.#mask;
    for (let at = slotOf(hash) & mask; ; at = (at + 2) & mask) {
      const held = slots[at + 1] as number;
      if (held === 0) return undefined;
      if (slots[at] === hash && this.#keys[held - 1] === key) return held - 1;
    }
  }

  /** Adds a key that has no place yet. */
  set(key: string, place: number): void {
    if (this.#map !== undefined) {
      this.#map.set(key, place);
      return;
    }
    this.#count += 1;
    if (4 * this.#count > this.#slots.length) this.#grow();
    if (!this.#put(hashOf(key), place + 1)) this.#map = new Map(this.#keys.map((one, at) => [one, at]));
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(2 * before.length);
    this.#mask = this.#slots.length - 2;
    for (let at = 0; at < before.length; at += 2) {
      const held = before[at + 1] as number;
      if (held !== 0) this.#put(before[at] as number, held, Number.POSITIVE_INFINITY);
    }
  }

  /** False when no place was found in few steps. */
  #put(hash: number, held: number, most = stepsMax): boolean {
    const slots = this.#slots;
    let at = slotOf(hash) & this.#mask;
    for (let steps = 0; slots[at + 1] !== 0; steps += 1) {
      if (steps >= most) return false;
      at = (at + 2) & this.#mask;
    }
    slots[at] = hash;
    slots[at + 1] = held;
    return true;
  }
}

/** Of the code units. */
function hashOf(key: string): number {
  let hash = key.length;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return hash ^ (hash >>> 15);
}

/** The high bits of a product are mixed best. */
function slotOf(hash: number): number {
  return (Math.imul(hash, 0x9e3779b1) >>> 4) & ~1;
}
