import { Buffer } from 'node:buffer';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { Call } from './ports.ts';

/** The bucket of the views' files. It watches their law: who writes one again writes the same bytes. */
export class Archive {
  readonly files = new Map<string, Uint8Array>();
  readonly #complain: (complaint: string) => void;

  constructor(complain: (complaint: string) => void) {
    this.#complain = complain;
  }

  port(call: Call): BlobStore {
    const never = (): never => {
      throw new Error('Bug in Millrace: files are put and nothing else');
    };
    return {
      put: (name, bytes) => call(`put file ${name}`, () => this.#put(name, bytes)),
      get: never,
      remove: never,
      list: never,
    };
  }

  #put(name: string, bytes: Uint8Array): void {
    const before = this.files.get(name);
    if (before !== undefined && !Buffer.from(before).equals(bytes))
      this.#complain(`the file ${name} is written again with other rows`);
    this.files.set(name, bytes);
  }
}
