/**
 * The `max` entries of a set or a bag that stand before the others, in their order. Which those are does not depend on the order in
 * which they came, for what has once been pushed out would be pushed out by the same entries again.
 */
export interface FirstFew<Entry> {
  readonly max: number;
  /** 0 for entries that are alike. */
  readonly compare: (a: Entry, b: Entry) => number;
  /** Whether an entry that is there already is kept again. */
  readonly keepsAlike: boolean;
}

/** Puts an entry at its place in the list, which is changed; false when it, or one that had to leave for it, is not there. */
export function keep<Entry>(list: Entry[], entry: Entry, { max, compare, keepsAlike }: FirstFew<Entry>): boolean {
  const last = list[list.length - 1];
  if (list.length >= max && last !== undefined) {
    const order = compare(entry, last);
    if (order > 0) return false;
    if (order === 0) return !keepsAlike;
  }
  const at = placeOf(list, entry, compare);
  const there = list[at];
  if (!keepsAlike && there !== undefined && compare(there, entry) === 0) return true;
  list.splice(at, 0, entry);
  if (list.length <= max) return true;
  list.pop();
  return false;
}

/** Where the first entry stands that is not before `entry`. */
function placeOf<Entry>(list: readonly Entry[], entry: Entry, compare: (a: Entry, b: Entry) => number): number {
  // What comes in order goes to the end.
  let low = 0;
  let high = list.length;
  const last = list[high - 1];
  if (last !== undefined && compare(last, entry) < 0) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(list[middle] as Entry, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a list that was stored is one that `keep` makes. */
export function isSorted<Entry>(list: readonly Entry[], { max, compare, keepsAlike }: FirstFew<Entry>): boolean {
  if (list.length > max) return false;
  for (let index = 1; index < list.length; index += 1) {
    const order = compare(list[index - 1] as Entry, list[index] as Entry);
    if (order > 0 || (order === 0 && !keepsAlike)) return false;
  }
  return true;
}
