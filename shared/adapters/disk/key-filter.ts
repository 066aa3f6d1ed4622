const bitsPerKey = 10;
const probes = 6;

/** The keys of a run while it is written. */
export class KeyHashes {
  #hashes = new Uint32Array(1_024);
  #count = 0;

  add(key: string): void {
    if (this.#count === this.#hashes.length) {
      const larger = new Uint32Array(2 * this.#count);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[this.#count] = hashOf(key);
    this.#count += 1;
  }

  toFilter(): KeyFilter {
    return new KeyFilter(this.#hashes.subarray(0, this.#count));
  }
}

/** A Bloom filter: of the keys that are not in a run it says so of 99 in 100 without looking there, and of those that are it never does. */
export class KeyFilter {
  readonly #words: Uint32Array;

  constructor(hashes: Uint32Array) {
    this.#words = new Uint32Array(Math.ceil((hashes.length * bitsPerKey) / 32) + 1);
    for (const hash of hashes)
      for (let probe = 0; probe < probes; probe += 1) {
        const bit = this.#bitOf(hash, probe);
        this.#words[bit >>> 5] = (this.#words[bit >>> 5] as number) | (1 << (bit & 31));
      }
  }

  mayHave(key: string): boolean {
    const hash = hashOf(key);
    for (let probe = 0; probe < probes; probe += 1) {
      const bit = this.#bitOf(hash, probe);
      if (((this.#words[bit >>> 5] as number) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }

  #bitOf(hash: number, probe: number): number {
    const step = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) | 1;
    return ((hash + Math.imul(probe, step)) >>> 0) % (this.#words.length * 32);
  }
}

/** FNV-1a over the text's units, with its bits mixed once more. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
