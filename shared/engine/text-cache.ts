import type { DecodeTools } from '#shared/pipeline/decoder.ts';

/**
 * Texts by their bytes: a text that was met before is found without being made again, and is the same string, whose hash is known. For
 * one column, since a column's texts come again.
 */
export class TextCache {
  readonly #ascii: DecodeTools['ascii'];
  #mask = 0;
  #count = 0;
  #hashes = new Int32Array(0);
  /** Where each text's bytes are, from 1; 0 is a free place. */
  #starts = new Int32Array(0);
  #lengths = new Int32Array(0);
  #texts: string[] = [];
  #bytes = new Uint8Array(0);
  #bytesUsed = 1;
  /** Since it was last looked at whether it serves. */
  #found = 0;
  #missed = 0;
  #isOff = false;

  constructor(ascii: DecodeTools['ascii']) {
    this.#ascii = ascii;
    this.#clear(placesMin);
  }

  /** The text of the ASCII bytes from `start` to `end`, whose hash is `hash`: equal bytes have equal ones. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): string {
    if (this.#isOff) return this.#ascii(bytes, start, end);
    const length = end - start;
    const mask = this.#mask;
    let place = (hash ^ (hash >>> 15)) & mask;
    for (let from = this.#starts[place] as number; from !== 0; from = this.#starts[place] as number) {
      if (this.#hashes[place] === hash && this.#lengths[place] === length) {
        const held = this.#bytes;
        let at = 0;
        while (at < length && held[from + at] === bytes[start + at]) at += 1;
        if (at === length) {
          this.#found += 1;
          return this.#texts[place] as string;
        }
      }
      place = (place + 1) & mask;
    }
    return this.#add(bytes, start, end, hash, place);
  }

  /** The text of ASCII bytes that is not expected to come again. */
  textOf(bytes: Uint8Array, start: number, end: number): string {
    return this.#ascii(bytes, start, end);
  }

  #add(bytes: Uint8Array, start: number, end: number, hash: number, place: number): string {
    const text = this.#ascii(bytes, start, end);
    const length = end - start;
    if (length > lengthMax) return text;
    this.#missed += 1;
    this.#lengths[place] = length;
    this.#hashes[place] = hash;
    this.#texts[place] = text;
    if (this.#bytesUsed + length > this.#bytes.length) {
      const larger = new Uint8Array(2 * (this.#bytesUsed + length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(start, end), this.#bytesUsed);
    this.#starts[place] = this.#bytesUsed;
    this.#bytesUsed += length;
    this.#count += 1;
    if (this.#count * 2 > this.#mask) this.#grow();
    return text;
  }

  /** Twice the places; beyond the most it begins afresh, and where most texts were new it is not asked again. */
  #grow(): void {
    const places = (this.#mask + 1) * 2;
    if (places > placesMax || this.#bytesUsed > bytesMax) {
      this.#isOff = this.#found < this.#missed;
      this.#found = 0;
      this.#missed = 0;
      this.#clear(this.#isOff ? 0 : placesMin);
      return;
    }
    const [starts, lengths, hashes, texts] = [this.#starts, this.#lengths, this.#hashes, this.#texts];
    const { length } = starts;
    this.#mask = places - 1;
    this.#starts = new Int32Array(places);
    this.#lengths = new Int32Array(places);
    this.#hashes = new Int32Array(places);
    this.#texts = new Array<string>(places).fill('');
    for (let old = 0; old < length; old += 1) {
      if (starts[old] === 0) continue;
      const hash = hashes[old] as number;
      let place = (hash ^ (hash >>> 15)) & this.#mask;
      while (this.#starts[place] !== 0) place = (place + 1) & this.#mask;
      this.#starts[place] = starts[old] as number;
      this.#lengths[place] = lengths[old] as number;
      this.#hashes[place] = hash;
      this.#texts[place] = texts[old] as string;
    }
  }

  #clear(places: number): void {
    this.#mask = places - 1;
    this.#count = 0;
    this.#hashes = new Int32Array(places);
    this.#starts = new Int32Array(places);
    this.#lengths = new Int32Array(places);
    this.#texts = new Array<string>(places).fill('');
    this.#bytes = new Uint8Array(16 * places);
    this.#bytesUsed = 1;
  }
}

const placesMin = 256;
const placesMax = 1 << 19;
const bytesMax = 1 << 24;
/** Longer texts are seldom the same. */
const lengthMax = 64;
