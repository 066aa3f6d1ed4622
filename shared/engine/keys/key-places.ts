/** A place is looked for in so many steps at most, which chance alone does not reach: keys that were chosen to meet are left to a Map. */
const stepsMax = 128;
const slotsMin = 16;

/**
 * Where each of a list of keys is in it: a hash table with open addressing that holds hashes and numbers and not the keys, so that it is a
 * third of a Map of them and costs the garbage collector nothing. Its slots are in the order of the hashes: it grows from front to back,
 * without looking at a key.
 */
export class KeyPlaces {
  readonly #keys: string[];
  /** Hash, and place + 1; 0 where there is none. */
  #slots = new Int32Array(2 * slotsMin);
  /** Of a slot's first number. */
  #mask = 2 * slotsMin - 2;
  /** What is left of a hash is its slot. */
  #shift = 32 - Math.log2(slotsMin);
  #map: Map<string, number> | undefined;
  /** So many of the keys are in the table. */
  #count = 0;

  /** `keys` has each key at its place, and a new one is put behind the last, here or by who knows that it is new. */
  constructor(keys: string[]) {
    this.#keys = keys;
  }

  get(key: string): number | undefined {
    if (this.#count < this.#keys.length) this.#takeRest();
    if (this.#map !== undefined) return this.#map.get(key);
    const place = (this.#slots[this.#slotOf(key, hashOf(key)) + 1] as number) - 1;
    return place === -1 ? undefined : place;
  }

  /** The place of the key, which is put behind the last one if it has none. */
  take(key: string): number {
    if (this.#count < this.#keys.length) this.#takeRest();
    const place = this.#keys.length;
    if (this.#map !== undefined) {
      const known = this.#map.get(key);
      if (known !== undefined) return known;
      this.#keys.push(key);
      this.#count += 1;
      this.#map.set(key, place);
      return place;
    }
    const hash = hashOf(key);
    const slot = this.#slotOf(key, hash);
    const held = this.#slots[slot + 1] as number;
    if (held !== 0) return held - 1;
    this.#keys.push(key);
    this.#put(hash, slot);
    return place;
  }

  /** Finds the places of so many keys more that others have put behind the last one, so that who looks for a key need not do so for all. */
  work(keyCount: number): void {
    if (this.#count < this.#keys.length) this.#takeRest(keyCount);
  }

  /** Keys that were put behind the last one without being looked for: none of them is in the table. */
  #takeRest(keysMax = Number.POSITIVE_INFINITY): void {
    const end = Math.min(this.#keys.length, this.#count + keysMax);
    while (this.#count < end) {
      const key = this.#keys[this.#count] as string;
      if (this.#map !== undefined) {
        this.#map.set(key, this.#count);
        this.#count += 1;
      } else {
        const hash = hashOf(key);
        this.#put(hash, this.#freeSlotOf(hash));
      }
    }
  }

  /** Puts the first key that is not in the table there. */
  #put(hash: number, free: number): void {
    let slot = free;
    this.#count += 1;
    if (4 * this.#count > this.#slots.length) {
      this.#grow();
      slot = this.#freeSlotOf(hash);
    }
    this.#slots[slot] = hash;
    this.#slots[slot + 1] = this.#count;
    if (((slot - this.#firstSlotOf(hash)) & this.#mask) >= 2 * stepsMax) {
      this.#map = new Map(this.#keys.map((one, at) => [one, at]));
      this.#count = this.#keys.length;
    }
  }

  /** Where a key is, or else where it would be put. */
  #slotOf(key: string, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = this.#firstSlotOf(hash); ; slot = (slot + 2) & mask) {
      const held = slots[slot + 1] as number;
      if (held === 0 || (slots[slot] === hash && this.#keys[held - 1] === key)) return slot;
    }
  }

  #freeSlotOf(hash: number): number {
    let slot = this.#firstSlotOf(hash);
    while (this.#slots[slot + 1] !== 0) slot = (slot + 2) & this.#mask;
    return slot;
  }

  #firstSlotOf(hash: number): number {
    return 2 * (hash >>> this.#shift);
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(2 * before.length);
    this.#mask = this.#slots.length - 2;
    this.#shift -= 1;
    for (let at = 0; at < before.length; at += 2) {
      if (before[at + 1] === 0) continue;
      const hash = before[at] as number;
      const slot = this.#freeSlotOf(hash);
      this.#slots[slot] = hash;
      this.#slots[slot + 1] = before[at + 1] as number;
    }
  }
}

/** Of the code units. The high bits of a product are mixed best. */
function hashOf(key: string): number {
  let hash = key.length;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
}
