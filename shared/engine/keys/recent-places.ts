import type { RecordKey } from './key.ts';

/** The keys of one space that were looked up in one slice, as long as the keys in it keep their places. */
export interface SeenKeys {
  readonly space: object;
  /** Above 0. No other slice and space have it. */
  readonly stamp: number;
}

export const unseen: SeenKeys = { space: {}, stamp: -1 };

interface KeysInPlaces {
  readonly keys: readonly string[];
  seen: SeenKeys;
}

/**
 * By a key's number, its place in the slice where it was met last. It is known by a stamp that stands beside it: neither the key's text nor
 * those in the slice are looked at, which lie elsewhere in memory and may not even be made.
 */
export class RecentPlaces {
  /** By number, the stamp and the place. */
  #places = new Int32Array(2 * numbersMin);
  #stamp = 0;

  /** -1 when it is not known. */
  placeOf(slice: KeysInPlaces, key: RecordKey): number {
    const places = this.#places;
    const at = 2 * key.id;
    if (at >= places.length) return -1;
    const place = places[at + 1] as number;
    if (slice.seen.space === key.space && slice.seen.stamp === places[at]) return place;
    // What comes in blocks numbers its keys anew in each, most often alike.
    return place < slice.keys.length && slice.keys[place] === key.text ? this.note(slice, key, place) : -1;
  }

  note(slice: KeysInPlaces, { id, space }: RecordKey, place: number): number {
    if (2 * id >= this.#places.length) this.#grow(id);
    if (slice.seen.space !== space) this.#see(slice, space);
    this.#places[2 * id] = slice.seen.stamp;
    this.#places[2 * id + 1] = place;
    return place;
  }

  #see(slice: KeysInPlaces, space: object): void {
    if (this.#stamp < stampsMax) this.#stamp += 1;
    // A number that would come again could be another slice's. Once they are used up, places are known by texts alone.
    slice.seen = { space, stamp: this.#stamp < stampsMax ? this.#stamp : Number.NaN };
  }

  #grow(id: number): void {
    let length = this.#places.length;
    while (length <= 2 * id) length *= 2;
    const before = this.#places;
    this.#places = new Int32Array(length);
    this.#places.set(before);
  }
}

const numbersMin = 64;
const stampsMax = 0x7fff_ffff;
