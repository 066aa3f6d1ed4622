import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { SnapshotChain, SnapshotManifest } from '#shared/schemas/state.ts';
import type { Random } from '#shared/testing/random.ts';
import type { Call } from './ports.ts';
import type { FaultKind } from './workload.ts';

/**
 * The bucket of the snapshots, in which an object is torn by a put that dies in the middle, or lost while it lies. It watches the laws of
 * the snapshots: no name is put twice, and what a checkpoint refers to is not removed.
 */
export class Bucket {
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #lost = new Set<string>();
  readonly #state: StateStore;
  readonly #random: Random;
  readonly #isFault: (kind: FaultKind) => boolean;
  readonly #complain: (complaint: string) => void;

  constructor(options: {
    readonly state: StateStore;
    readonly random: Random;
    readonly isFault: (kind: FaultKind) => boolean;
    readonly complain: (complaint: string) => void;
  }) {
    this.#state = options.state;
    this.#random = options.random;
    this.#isFault = options.isFault;
    this.#complain = options.complain;
  }

  /** `die` ends the process that calls. */
  port(call: Call, die: () => void): BlobStore {
    return {
      put: (key, bytes) => call(`put blob ${key}`, () => this.#put(key, bytes, die)),
      get: (key) => call(`get blob ${key}`, () => this.#get(key)),
      remove: (key) => call(`remove blob ${key}`, () => this.#remove(key)),
      list: (prefix) =>
        call('list blobs', () => [...this.#blobs.keys()].filter((key) => key.startsWith(prefix)).sort()),
    };
  }

  /** Without faults and laws, for who has the bucket for itself. */
  plain(): BlobStore {
    return {
      put: async (key, bytes) => void this.#blobs.set(key, bytes),
      get: async (key) => this.#blobs.get(key),
      remove: async (key) => void this.#blobs.delete(key),
      list: async (prefix) => [...this.#blobs.keys()].filter((key) => key.startsWith(prefix)).sort(),
    };
  }

  /** What the checkpoint of a slot refers to is there, apart from what the bucket has lost itself. */
  async check(slot: number): Promise<void> {
    for (const key of objectsOf(await this.#manifestOf(slot)))
      if (!this.#blobs.has(key) && !this.#lost.has(key)) this.#complain(`the object ${key} is gone in the end`);
  }

  #put(key: string, bytes: Uint8Array, die: () => void): void {
    if (this.#blobs.has(key)) this.#complain(`the object ${key} is put twice`);
    const isTorn = this.#isFault('blob-torn');
    this.#blobs.set(key, isTorn ? bytes.slice(0, this.#random.below(bytes.length)) : bytes);
    if (isTorn) die();
  }

  async #get(key: string): Promise<Uint8Array | undefined> {
    if ((await this.#isSpare(key)) && this.#isFault('blob-lost')) this.#lose(key);
    return this.#blobs.get(key);
  }

  async #remove(key: string): Promise<void> {
    if (objectsOf(await this.#manifestOf(slotOf(key))).includes(key))
      this.#complain(`the object ${key} is removed while a checkpoint refers to it`);
    this.#blobs.delete(key);
  }

  #lose(key: string): void {
    this.#lost.add(key);
    const bytes = this.#blobs.get(key)?.slice() ?? new Uint8Array();
    const at = this.#random.below(bytes.length + 1);
    switch (this.#random.pick(['missing', 'torn', 'turned over'] as const)) {
      case 'missing':
        this.#blobs.delete(key);
        return;
      case 'torn':
        this.#blobs.set(key, bytes.slice(0, at));
        return;
      case 'turned over':
        bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << this.#random.below(8));
        this.#blobs.set(key, bytes);
        return;
    }
  }

  /** A whole state is left without it. What no checkpoint refers to is not worth losing. */
  async #isSpare(key: string): Promise<boolean> {
    const manifest = await this.#manifestOf(slotOf(key));
    if (manifest === undefined || this.#lost.has(key) || !objectsOf(manifest).includes(key)) return false;
    return chainsOf(manifest).some(({ base }) =>
      partsOf(base).every((object) => object !== key && !this.#lost.has(object)),
    );
  }

  async #manifestOf(slot: number): Promise<SnapshotManifest | undefined> {
    return (await this.#state.readCheckpoint('window', slot))?.snapshot as SnapshotManifest | undefined;
  }
}

function slotOf(key: string): number {
  return Number(/\/slot-(\d+)\//.exec(key)?.[1]);
}

function chainsOf({ chain, previous }: SnapshotManifest): readonly SnapshotChain[] {
  return previous === undefined ? [chain] : [chain, previous];
}

function objectsOf(manifest: SnapshotManifest | undefined): readonly string[] {
  if (manifest === undefined) return [];
  return chainsOf(manifest).flatMap(({ base, deltas }) => [base, ...deltas].flatMap(partsOf));
}

function partsOf({ name, objectCount }: SnapshotChain['base']): readonly string[] {
  return Array.from({ length: objectCount }, (_, index) => `${name}/${String(index).padStart(6, '0')}`);
}
