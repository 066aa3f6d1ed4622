/** Named bytes: S3 in AWS, a folder behind the same protocol on a laptop. */
export interface BlobStore {
  /** Stores the whole of `bytes` under `key`, replacing what was there. */
  readonly put: (key: string, bytes: Uint8Array) => Promise<void>;
  /** The bytes under `key`, or undefined when there is no such blob. Rejects with `BLOB_CORRUPT` when a checksum differs. */
  readonly get: (key: string) => Promise<Uint8Array | undefined>;
  /** Removes `key`; removing what is not there is no error. */
  readonly remove: (key: string) => Promise<void>;
  /** All keys that begin with `prefix`, sorted. */
  readonly list: (prefix: string) => Promise<readonly string[]>;
}
