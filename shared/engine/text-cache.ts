import type { DecodeTools } from '#shared/pipeline/decoder.ts';

/** Longer texts are seldom the same, and are not kept. */
export const cachedWordsMax = 13;
/** The words of the text at hand: four of its bytes each, the lowest first. */
export const textWords = new Int32Array(cachedWordsMax);

/**
 * Texts by their bytes: a text that was met before is found without being made again, and is the same string, whose hash is known. For
 * one column, since a column's texts come again.
 */
export class TextCache {
  readonly #ascii: DecodeTools['ascii'];
  readonly #short: TextTable;
  readonly #long: TextTable;
  #texts: string[] = [];
  /** Since it was last looked at whether it serves. */
  #found = 0;
  #added = 0;
  /** So many texts are made without a look, since those before were new. */
  #passes = 0;
  #passesNext = passesMin;
  /** The text that was found last, and its number, which is its own until `epoch` changes: whoever knows things of texts finds them by it. */
  last = '';
  lastIndex = -1;
  epoch = 0;
  /** The column is one of keys: whoever looks a key up by its number needs one of each, also where few texts come again. */
  keepsAll = false;

  constructor(ascii: DecodeTools['ascii']) {
    this.#ascii = ascii;
    this.#short = new TextTable(shortWords);
    this.#long = new TextTable(cachedWordsMax);
  }

  /** The text of the ASCII bytes from `start` to `end`, whose words are `textWords` if it is short enough, and have this hash. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): string {
    const length = end - start;
    if (length === 0 || length > 4 * cachedWordsMax) return this.#ascii(bytes, start, end);
    if (this.#passes > 0 && !this.keepsAll) {
      this.#passes -= 1;
      return this.#ascii(bytes, start, end);
    }
    const table = length <= 4 * shortWords ? this.#short : this.#long;
    const index = table.find(hash, length);
    if (index === -1) return this.#add(table, bytes, start, end, hash);
    this.#found += 1;
    const text = this.#texts[index] as string;
    this.last = text;
    this.lastIndex = index;
    return text;
  }

  /** The text of ASCII bytes that is not expected to come again. */
  textOf(bytes: Uint8Array, start: number, end: number): string {
    return this.#ascii(bytes, start, end);
  }

  #add(table: TextTable, bytes: Uint8Array, start: number, end: number, hash: number): string {
    const text = this.#ascii(bytes, start, end);
    if (this.#texts.length >= textsMax) this.#forget();
    table.add(hash, end - start, this.#texts.length);
    this.last = text;
    this.lastIndex = this.#texts.length;
    this.#texts.push(text);
    this.#added += 1;
    if (this.#added >= reviewTexts) this.#review();
    return text;
  }

  /** Where texts are mostly new they are made without a look for a while, and ever longer while few come again. */
  #review(): void {
    if (this.#found < this.#added) this.#passes = this.#passesNext;
    this.#passesNext = 2 * this.#found < this.#added ? Math.min(passesMax, 2 * this.#passesNext) : passesMin;
    this.#found = 0;
    this.#added = 0;
  }

  #forget(): void {
    this.#texts = [];
    this.#short.clear();
    this.#long.clear();
    this.epoch += 1;
    this.lastIndex = -1;
  }
}

const reviewTexts = 512;
const passesMin = 1_024;
const passesMax = 1 << 17;
const textsMax = 1 << 20;
const shortWords = 5;

/** The places of texts of at most so many words, with open addressing: all of a text is in one place, so that one look fetches it. */
class TextTable {
  /** Hash, length and index, then the words. */
  readonly #numbersPerPlace: number;
  #places: Int32Array;
  /** Of a place's first number. */
  #mask: number;
  #count = 0;

  constructor(wordsMax: number) {
    this.#numbersPerPlace = wordsMax + headNumbers;
    this.#places = new Int32Array(placesMin * this.#numbersPerPlace);
    this.#mask = this.#places.length - this.#numbersPerPlace;
  }

  /** The index of the text whose words are `textWords`; -1 when it is not here. */
  find(hash: number, length: number): number {
    const places = this.#places;
    const step = this.#numbersPerPlace;
    const wordsEnd = (length + 3) >> 2;
    let place = this.#placeOf(hash);
    for (let held = places[place + 1] as number; held !== 0; held = places[place + 1] as number) {
      if (held === length && places[place] === hash) {
        let word = 0;
        while (word < wordsEnd && places[place + headNumbers + word] === textWords[word]) word += 1;
        if (word === wordsEnd) return places[place + 2] as number;
      }
      place = (place + step) & this.#mask;
    }
    return -1;
  }

  /** Adds the text whose words are `textWords`, which is not here. */
  add(hash: number, length: number, index: number): void {
    this.#count += 1;
    if (2 * this.#count * this.#numbersPerPlace > this.#places.length) this.#grow();
    const place = this.#freePlace(hash);
    this.#places[place] = hash;
    this.#places[place + 1] = length;
    this.#places[place + 2] = index;
    for (let word = 0; 4 * word < length; word += 1)
      this.#places[place + headNumbers + word] = textWords[word] as number;
  }

  clear(): void {
    this.#count = 0;
    this.#places = new Int32Array(placesMin * this.#numbersPerPlace);
    this.#mask = this.#places.length - this.#numbersPerPlace;
  }

  #grow(): void {
    const before = this.#places;
    const places = new Int32Array(2 * before.length);
    const step = this.#numbersPerPlace;
    this.#places = places;
    this.#mask = places.length - step;
    for (let old = 0; old < before.length; old += step) {
      if (before[old + 1] === 0) continue;
      const place = this.#freePlace(before[old] as number);
      for (let number = 0; number < step; number += 1) places[place + number] = before[old + number] as number;
    }
  }

  #freePlace(hash: number): number {
    let place = this.#placeOf(hash);
    while (this.#places[place + 1] !== 0) place = (place + this.#numbersPerPlace) & this.#mask;
    return place;
  }

  /** The high bits of a product are mixed best; those below a place's first number are cut off. */
  #placeOf(hash: number): number {
    return (Math.imul(hash, 0x9e3779b1) >>> 6) & this.#mask;
  }
}

const headNumbers = 3;
const placesMin = 256;
