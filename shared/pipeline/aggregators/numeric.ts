/** Numbers beyond this could overflow a sum of many; no measured quantity is so large. */
export const numberMax = 1e290;

/** Why a value cannot be used as a number, or undefined when it can. */
export function refuseNumber(value: unknown): string | undefined {
  if (typeof value !== 'number') return `${value === null ? 'null' : typeof value} is not a number`;
  if (!Number.isFinite(value)) return `${value} is not a finite number`;
  return Math.abs(value) > numberMax ? `${value} is beyond ${numberMax}` : undefined;
}

/** Reads an encoded number; throws an Error for anything else. */
export function decodeNumber(encoded: unknown, what: string): number {
  if (typeof encoded === 'number' && Number.isFinite(encoded)) return encoded;
  throw new Error(`the state of ${what} holds ${JSON.stringify(encoded)} where a number belongs`);
}
