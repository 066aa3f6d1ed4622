/** Of `known` the name that `name` was most likely meant to be. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestFar = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const far = distance(name.toLowerCase(), candidate.toLowerCase());
    if (far < bestFar) {
      best = candidate;
      bestFar = far;
    }
  }
  return best;
}

const comparedMax = 64;

/** How many letters must be put, taken, changed or exchanged with the next to make one word the other (optimal string alignment). */
function distance(a: string, b: string): number {
  if (a.length > comparedMax || b.length > comparedMax) return Number.POSITIVE_INFINITY;
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isExchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const exchange = isExchanged ? (before[j - 2] as number) + 1 : change;
      next.push(Math.min(change, exchange, (next[j - 1] as number) + 1, (row[j] as number) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
