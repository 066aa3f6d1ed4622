import { type ErrorCode, MillraceError } from '#shared/schemas/error.ts';

/** Faults of the set-up rather than of the moment. */
const lasting: ReadonlySet<string> = new Set([
  'AccessDeniedException',
  'CredentialsProviderError',
  'InvalidArgumentException',
  'KMSAccessDeniedException',
  'KMSDisabledException',
  'KMSInvalidStateException',
  'KMSNotFoundException',
  'KMSOptInRequired',
  'ResourceNotFoundException',
  'SerializationException',
  'UnrecognizedClientException',
  'ValidationException',
]);

const throttled: ReadonlySet<string> = new Set([
  'KMSThrottlingException',
  'LimitExceededException',
  'ProvisionedThroughputExceededException',
  'ThrottlingException',
]);

/** Whether the same request will fail in the same way until a person changes something. */
export function isLasting(error: unknown): boolean {
  return lasting.has(nameOf(error));
}

export function isThrottled(error: unknown): boolean {
  return throttled.has(nameOf(error));
}

/** Whether the service took the request and failed, or its answer did not come, or not to its end: what became of it is not known. */
export function isUnanswered(error: unknown): boolean {
  const { code, $metadata } = Object(error) as { code?: unknown; $metadata?: { httpStatusCode?: number } };
  // A proxy's answer may be no JSON, so an error's name says nothing.
  return nameOf(error) === 'TimeoutError' || code === 'ECONNRESET' || ($metadata?.httpStatusCode ?? 0) >= 500;
}

/** The longest wait before the second try, in milliseconds; it doubles with each further one up to the maximum. */
const backoffMsFirst = 400;
const backoffMsMax = 5_000;

/** How long to wait after so many failed tries, in milliseconds: half of it is drawn, so that those refused together do not come back together. */
export function backoffMs(tries: number, random: () => number): number {
  const longestMs = Math.min(backoffMsFirst * 2 ** (tries - 1), backoffMsMax);
  return Math.ceil((longestMs * (1 + random())) / 2);
}

/** What the SDK could not heal by its own retries, as an error of ours. */
export function unavailable(code: ErrorCode, what: string, cause: unknown): MillraceError {
  const advice = isLasting(cause)
    ? "This does not heal by itself, however often it is tried: check the stream's name, its encryption and the permissions of the role."
    : 'Try again.';
  const message = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError(code, `${what} failed with ${nameOf(cause)}: ${message}. ${advice}`, { cause });
}

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
