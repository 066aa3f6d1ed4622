/** One block on its way to a slot's log. */
export interface ExchangeEntry {
  readonly slot: number;
  /** A decimal number of up to 128 bits: the slot's one fixed point of the hash space (rule 1). */
  readonly explicitHashKey: string;
  readonly bytes: Uint8Array;
}

/** The way into the exchange stream. */
export interface Exchange {
  /**
   * Tries once to put every entry. Gives the indexes of those that were refused or whose fate is unknown; they must be put
   * again until accepted (rule 4), which may put one twice.
   */
  readonly put: (entries: readonly ExchangeEntry[]) => Promise<readonly number[]>;
}
