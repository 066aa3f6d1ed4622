import type { Duration } from './duration.ts';

/** Where the rows of a view go. */
export interface SinkSpec {
  readonly kind: 'dynamodb';
  /** How long after its last write a row is kept. */
  readonly ttlMs: number;
}

/** Rows in the results table, one a key and window, which DynamoDB removes `ttl` after the last write. */
export function dynamodb(options: { readonly ttl: Duration }): SinkSpec {
  return { kind: 'dynamodb', ttlMs: options.ttl };
}
