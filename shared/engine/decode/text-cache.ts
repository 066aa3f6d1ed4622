import type { DecodeTools } from '#shared/pipeline/decoder.ts';
import { type LooksAhead, lookAtPlaces, note } from './look-ahead.ts';

/** No text that is kept is longer. */
export const cachedWordsMax = 32;
/** The words of the text at hand: four of its bytes each, the lowest first. */
export const textWords = new Int32Array(cachedWordsMax);

/**
 * Texts by their bytes: a text that was met before is found without being made again, and is the same string, whose hash is known. For
 * one column, since a column's texts come again.
 */
export class TextCache {
  readonly #ascii: DecodeTools['ascii'];
  readonly #textsMax: number;
  /** In characters. */
  readonly lengthMax: number;
  #table = new TextTable();
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
  /** What else is known of a text is found by its number, elsewhere in memory. */
  follower: LooksAhead | undefined;
  /** See `isWide`. Words, hashes and numbers of so many are some megabytes, as many as a core has for itself. */
  wideFrom = 1 << 16;

  /** Of a column longer texts are seldom the same, and are not kept. */
  constructor(ascii: DecodeTools['ascii'], { textsMax = 1 << 20, wordsMax = 13 } = {}) {
    this.#ascii = ascii;
    this.#textsMax = textsMax;
    this.lengthMax = 4 * wordsMax;
  }

  /** The text of the ASCII bytes from `start` to `end`, whose words are `textWords` if it is short enough, and have this hash. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): string {
    const length = end - start;
    if (length === 0 || length > this.lengthMax) return this.#ascii(bytes, start, end);
    if (this.#passes > 0 && !this.keepsAll) {
      this.#passes -= 1;
      return this.#ascii(bytes, start, end);
    }
    const index = this.#table.find(hash, length);
    if (index === -1) return this.#add(bytes, start, end, hash);
    this.#found += 1;
    const text = this.#texts[index] as string;
    this.last = text;
    this.lastIndex = index;
    return text;
  }

  /** Whether there are so many texts that most of what is looked at for one is not in the processor's caches. */
  get isWide(): boolean {
    return this.keepsAll && this.#texts.length >= this.wideFrom;
  }

  /** Looks at what is known of texts with these hashes, which will be looked for soon. The hashes become numbers, -1 for a text that is new. */
  lookAt(hashes: Int32Array, count: number): void {
    this.#table.lookAt(hashes, count);
    lookAtPlaces(this.#texts, hashes, count);
    this.follower?.lookAt(hashes, count);
  }

  /** The text that has the number, in this epoch. */
  textAt(number: number): string {
    return this.#texts[number] as string;
  }

  /** The text of ASCII bytes that is not expected to come again. */
  textOf(bytes: Uint8Array, start: number, end: number): string {
    return this.#ascii(bytes, start, end);
  }

  #add(bytes: Uint8Array, start: number, end: number, hash: number): string {
    const text = this.#ascii(bytes, start, end);
    if (this.#texts.length >= this.#textsMax) this.#forget();
    if (!this.#table.add(hash, end - start, this.#texts.length)) return text;
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
    this.#table = new TextTable();
    this.epoch += 1;
    this.lastIndex = -1;
  }
}

const reviewTexts = 512;
const passesMin = 1_024;
const passesMax = 1 << 17;

/**
 * The numbers of texts by their bytes: a hash table with open addressing. A place says a text's number and not where its words are: so the
 * processor fetches what is known of the number while it still waits for the words, which hardly ever differ. Places are in the order of
 * the hashes, so that the table grows from front to back.
 */
class TextTable {
  /** Hash, and number + 1; 0 where there is none. */
  #places = new Int32Array(2 * placesMin);
  /** Of a place's first number. */
  #mask = 2 * placesMin - 2;
  /** What is left of a hash is its place. */
  #shift = 32 - Math.log2(placesMin);
  /** By number, where its text's length in bytes is, and behind it the words. */
  #starts = new Int32Array(placesMin);
  #words = new Int32Array(8 * placesMin);
  #wordCount = 0;

  /** The number of the text whose words are `textWords`; -1 when it is not here. */
  find(hash: number, length: number): number {
    const places = this.#places;
    const spread = spreadOf(hash);
    for (let place = this.#placeOf(spread); ; place = (place + 2) & this.#mask) {
      const number = (places[place + 1] as number) - 1;
      if (number === -1 || (places[place] === spread && this.#isAt(this.#starts[number] as number, length)))
        return number;
    }
  }

  /** See `TextCache.lookAt`. A number may be that of another text with the same hash. */
  lookAt(hashes: Int32Array, count: number): void {
    const places = this.#places;
    for (let index = 0; index < count; index += 1) {
      const spread = spreadOf(hashes[index] as number);
      let place = this.#placeOf(spread);
      while (places[place + 1] !== 0 && places[place] !== spread) place = (place + 2) & this.#mask;
      hashes[index] = (places[place + 1] as number) - 1;
    }
    let words = 0;
    for (let index = 0; index < count; index += 1) {
      const number = hashes[index] as number;
      if (number !== -1) words ^= this.#words[this.#starts[number] as number] as number;
    }
    note(words);
  }

  #isAt(start: number, length: number): boolean {
    const words = this.#words;
    if (words[start] !== length) return false;
    for (let word = 0; 4 * word < length; word += 1) if (words[start + 1 + word] !== textWords[word]) return false;
    return true;
  }

  /**
   * Adds the text whose words are `textWords`, which is not here. Numbers are given one after the other. False when there is no place near
   * the one where it is looked for: texts that were chosen to meet there would be found by walking past all others of them.
   */
  add(hash: number, length: number, number: number): boolean {
    if (4 * (number + 1) > this.#places.length) this.#grow();
    if (number >= this.#starts.length) this.#starts = grown(this.#starts);
    if (this.#wordCount + 1 + cachedWordsMax > this.#words.length) this.#words = grown(this.#words);
    const spread = spreadOf(hash);
    const place = this.#freePlaceOf(spread);
    if (((place - this.#placeOf(spread)) & this.#mask) >= 2 * stepsMax) return false;
    this.#places[place] = spread;
    this.#places[place + 1] = number + 1;
    const words = this.#words;
    this.#starts[number] = this.#wordCount;
    words[this.#wordCount] = length;
    this.#wordCount += 1;
    for (let word = 0; 4 * word < length; word += 1) {
      words[this.#wordCount] = textWords[word] as number;
      this.#wordCount += 1;
    }
    return true;
  }

  #freePlaceOf(spread: number): number {
    let place = this.#placeOf(spread);
    while (this.#places[place + 1] !== 0) place = (place + 2) & this.#mask;
    return place;
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new Int32Array(2 * before.length);
    this.#mask = this.#places.length - 2;
    this.#shift -= 1;
    for (let old = 0; old < before.length; old += 2) {
      if (before[old + 1] === 0) continue;
      const place = this.#freePlaceOf(before[old] as number);
      this.#places[place] = before[old] as number;
      this.#places[place + 1] = before[old + 1] as number;
    }
  }

  #placeOf(spread: number): number {
    return 2 * (spread >>> this.#shift);
  }
}

/** The high bits of a product are mixed best. */
function spreadOf(hash: number): number {
  return Math.imul(hash, 0x9e3779b1);
}

/** Much longer, since what is not written to takes no memory. */
function grown(before: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const after = new Int32Array(4 * before.length);
  after.set(before);
  return after;
}

const placesMin = 256;
/** Which chance alone does not reach. */
const stepsMax = 128;
