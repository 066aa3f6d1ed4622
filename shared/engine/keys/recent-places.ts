import type { LooksAhead } from '#shared/engine/decode/look-ahead.ts';
import type { KeySpace, RecordKey } from './key.ts';

/** The keys of one space that were looked up in one slice, as long as the keys in it keep their places. */
export interface SeenKeys {
  readonly space: KeySpace;
  /** Above 0. No other slice and space have it. */
  readonly stamp: number;
  /** All keys of the slice are of the space: one whose number was not met in the slice is not in it. */
  readonly areAll: boolean;
}

export const unseen: SeenKeys = { space: {}, stamp: -1, areAll: false };
/** What `RecentPlaces` says of a key. */
export const unknown = -1;
export const absent = -2;

interface KeysInPlaces {
  readonly keys: readonly string[];
  seen: SeenKeys;
}

/**
 * By a key's number, its place in the slice where it was met last. It is known by a stamp that stands beside it: neither the key's text nor
 * those in the slice are looked at, which lie elsewhere in memory and may not even be made.
 */
export class RecentPlaces implements LooksAhead {
  /** By number, the stamp and the place. */
  #places = new Int32Array(2 * numbersMin);
  #stamp = 0;
  readonly #lookAtPlaces: LooksAhead['lookAt'];
  readonly #self = new WeakRef<LooksAhead>(this);

  /** `lookAtPlaces` looks at what is known of places. */
  constructor(lookAtPlaces: LooksAhead['lookAt']) {
    this.#lookAtPlaces = lookAtPlaces;
  }

  /** `unknown` when it must be looked up, and `absent` when it need not be, since the slice does not have the key. */
  placeOf(slice: KeysInPlaces, key: RecordKey): number {
    const { seen } = slice;
    const places = this.#places;
    const at = 2 * key.id;
    const isSeen = seen.space === key.space;
    if (at >= places.length) return isSeen && seen.areAll ? absent : unknown;
    const place = places[at + 1] as number;
    if (isSeen) {
      const stamp = places[at] as number;
      if (stamp === seen.stamp) return place;
      // Stamps only rise: had it been met here, it would be this one or a later one.
      if (seen.areAll && stamp < seen.stamp) return absent;
    }
    // What comes in blocks numbers its keys anew in each, most often alike.
    return place < slice.keys.length && slice.keys[place] === key.text ? this.note(slice, key, place) : unknown;
  }

  note(slice: KeysInPlaces, { id, space }: RecordKey, place: number): number {
    if (2 * id >= this.#places.length) this.#grow(id);
    if (slice.seen.space !== space) this.#see(slice, space);
    const { stamp } = slice.seen;
    if (!((this.#places[2 * id] as number) <= stamp)) return place;
    this.#places[2 * id] = stamp;
    this.#places[2 * id + 1] = place;
    return place;
  }

  lookAt(numbers: Int32Array, count: number): void {
    const places = this.#places;
    for (let index = 0; index < count; index += 1) {
      const at = 2 * (numbers[index] as number) + 1;
      numbers[index] = at >= 0 && at < places.length ? (places[at] as number) : -1;
    }
    this.#lookAtPlaces(numbers, count);
  }

  #see(slice: KeysInPlaces, space: KeySpace): void {
    if (space.isOneToOne === true) space.follower = this.#self;
    if (this.#stamp < stampsMax) this.#stamp += 1;
    // A number that would come again could be another slice's. Once they are used up, places are known by texts alone.
    const stamp = this.#stamp < stampsMax ? this.#stamp : Number.NaN;
    slice.seen = { space, stamp, areAll: space.isOneToOne === true && slice.keys.length <= 1 };
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
