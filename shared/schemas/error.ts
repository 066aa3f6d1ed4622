/** Whether trying the same again may help. */
const codes = {
  PLAN_MISMATCH: { retry: false },
  SLOTS_MISMATCH: { retry: false },
  STATE_WOULD_BE_LOST: { retry: false },
  PIPELINE_INVALID: { retry: false },
  PIPELINE_UNKNOWN: { retry: false },
  SQL_INVALID: { retry: false },
  PLACEMENT_REFUSED: { retry: false },
  SCHEMA_ASYNC: { retry: false },
  SETTING_MISSING: { retry: false },
  SETTING_INVALID: { retry: false },
  INPUT_UNREADABLE: { retry: false },
  INPUT_INVALID: { retry: false },
  OUTPUT_UNWRITABLE: { retry: false },
  PORT_IN_USE: { retry: false },
  DISK_FULL: { retry: false },
  TEMPLATE_UNSUPPORTED: { retry: false },
  BLOCK_UNREADABLE: { retry: false },
  STATE_ITEM_TOO_LARGE: { retry: false },
  STATE_UNREADABLE: { retry: false },
  SAVEPOINT_REFUSED: { retry: false },
  SAVEPOINT_UNREADABLE: { retry: false },
  RESTORE_UNDER_WAY: { retry: true },
  SNAPSHOT_FENCED: { retry: false },
  BLOB_CORRUPT: { retry: false },
  STORE_CONFLICT: { retry: true },
  STORE_UNAVAILABLE: { retry: true },
  EXCHANGE_UNAVAILABLE: { retry: true },
  SOURCE_UNAVAILABLE: { retry: true },
  BLOB_UNAVAILABLE: { retry: true },
  DEAD_LETTERS_UNAVAILABLE: { retry: true },
  QUERY_INVALID: { retry: false },
  VIEW_UNKNOWN: { retry: false },
} as const satisfies Record<string, { readonly retry: boolean }>;

export type ErrorCode = keyof typeof codes;

/** The message of an error without the code that stands before it, for who puts another one there. */
export function withoutCode(message: string): string {
  return message.replace(/^[A-Z_]+: /, '');
}

/**
 * The outside world failing, or being used wrongly. Bad data is never one of these: it is a value that goes to the dead
 * letters. Match on `code`: classes do not survive bundles and worker threads.
 */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: ErrorCode;
  readonly retry: boolean;

  /** `message` says what happened, with which values, and what to do. */
  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(`${code}: ${message}`, options);
    this.code = code;
    this.retry = codes[code].retry;
  }
}

/** Whether `error` is a MillraceError with this code, whichever bundle it was made in. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

/** Stops on a bug. `claim` is the law that was broken. */
export function assert(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new Error(`Bug in Millrace: ${claim}`);
}
