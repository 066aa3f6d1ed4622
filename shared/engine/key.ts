import { hash128 } from '#shared/schemas/hash.ts';
import { encodeKey, type KeyColumns } from '#shared/schemas/key.ts';
import { isNamedBefore } from '#shared/schemas/row.ts';

/** A key that was met, with where its state is. */
export interface KeyEntry {
  /** Canonical. */
  readonly text: string;
  readonly slot: number;
  /** Small and, until the dictionary starts afresh, the key's own: a place to look first, never what decides. */
  readonly id: number;
}

/** Rule 1: slot = floor(hash(key) * S / 2^128). S is a power of two, so these are the highest bits. */
export function slotOf(key: string, slots: number): number {
  return slots === 1 ? 0 : hash128(key)[0] >>> (32 - Math.log2(slots));
}

/** The key group within its slot, from other bits than the slot. */
export function groupOf(key: string, groups: number): number {
  return groups === 1 ? 0 : hash128(key)[1] >>> (32 - Math.log2(groups));
}

/** Rule 1: every block of a slot uses the hash key in the middle of the slot's range, and no other. */
export function slotHashKey(slot: number, slots: number): bigint {
  const range = (1n << 128n) / BigInt(slots);
  return BigInt(slot) * range + range / 2n;
}

/** Whether a shard of these hash keys, both inclusive, is the one into which a block with `hashKey` is put. */
export function owns(
  { startingHashKey, endingHashKey }: { readonly startingHashKey: bigint; readonly endingHashKey: bigint },
  hashKey: bigint,
): boolean {
  return hashKey >= startingHashKey && hashKey <= endingHashKey;
}

/** So many keys are remembered before a dictionary starts afresh; forgetting is only slower. */
const dictionaryKeysMax = 200_000;

/** Finds a key's entry without building its text anew for each record. */
export class KeyDictionary {
  readonly #slots: number;
  readonly #taken: ReadonlySet<string>;
  readonly #byText = new Map<string, KeyEntry>();
  /** The frequent case, one column of text: found by its value alone. */
  readonly #byValue = new Map<string, KeyEntry>();
  #valueColumn: string | undefined;

  /** `taken` are the names, in lower case, that no column of a key may have in any case. */
  constructor(slots: number, taken: ReadonlySet<string>) {
    this.#slots = slots;
    this.#taken = taken;
  }

  /** Throws an Error that says which column cannot be a key. */
  find(columns: KeyColumns): KeyEntry {
    const column = onlyColumn(columns);
    if (column === undefined) return this.#findEncoded(columns);
    const value = columns[column];
    if (typeof value !== 'string') return this.#findEncoded(columns);
    if (this.#valueColumn !== column) {
      this.#valueColumn = column;
      this.#byValue.clear();
    }
    const known = this.#byValue.get(value);
    if (known !== undefined) return known;
    const entry = this.#findEncoded(columns);
    if (this.#byValue.size >= dictionaryKeysMax) this.#byValue.clear();
    this.#byValue.set(value, entry);
    return entry;
  }

  #findEncoded(columns: KeyColumns): KeyEntry {
    const text = encodeKey(columns);
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const names = Object.keys(columns);
    const taken = names.find((name) => this.#taken.has(name.toLowerCase())) ?? names.find(isNamedBefore);
    if (taken !== undefined)
      throw new Error(`key column ${taken} has the name of another column of its rows; rename one of them`);
    if (this.#byText.size >= dictionaryKeysMax) this.#byText.clear();
    const entry = { text, slot: slotOf(text, this.#slots), id: this.#byText.size };
    this.#byText.set(text, entry);
    return entry;
  }
}

function onlyColumn(columns: KeyColumns): string | undefined {
  let only: string | undefined;
  for (const name in columns) {
    if (only !== undefined) return undefined;
    only = name;
  }
  return only;
}
