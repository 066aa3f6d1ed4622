/**
 * A scratch disk for state that is larger than memory: sorted runs, each written once and never changed, so that whoever reads one reads
 * it as it was. Synchronous, as the engine is. Nothing in it outlives its process: what lasts are the snapshots.
 */
export interface RunStore {
  /** Begins a run. `isSearched`: single keys will be looked up in it, which is prepared for. */
  readonly begin: (isSearched: boolean) => RunWriter;
}

export interface RunWriter {
  /** Keys ascend as JavaScript compares strings, none comes twice, and key and value are well-formed. Throws `DISK_FULL`. */
  readonly add: (key: string, value: string) => void;
  /** The run is whole. */
  readonly end: () => Run;
  /** There will be no run: what was written is removed. */
  readonly discard: () => void;
}

export interface Run {
  readonly entryCount: number;
  /** On the disk. */
  readonly bytes: number;
  /** Of a run that is searched. */
  readonly get: (key: string) => string | undefined;
  /** Ascending; read as it is asked for. */
  readonly entries: () => Iterable<readonly [key: string, value: string]>;
  /** Gives the room back. Nothing may be read from it any more. */
  readonly remove: () => void;
}
