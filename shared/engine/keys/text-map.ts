import { KeyPlaces } from './key-places.ts';

/**
 * A Map of texts that were made a moment ago, as those of records are. A Map asks the runtime for the hash of each of them, which is the most
 * part of finding it; here it is computed in place.
 */
export class TextMap<Value> {
  readonly #texts: string[] = [];
  readonly #places = new KeyPlaces(this.#texts);
  /** By place. */
  readonly #values: Value[] = [];

  get size(): number {
    return this.#texts.length;
  }

  get(text: string): Value | undefined {
    const place = this.#places.get(text);
    return place === undefined ? undefined : this.#values[place];
  }

  set(text: string, value: Value): void {
    this.#values[this.#places.take(text)] = value;
  }
}
