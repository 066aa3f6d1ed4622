/** An error as Lambda reports it to whoever invoked the function. */
export interface FunctionError {
  readonly errorType: string;
  readonly errorMessage: string;
  /** The stack, line by line. */
  readonly trace: readonly string[];
}

/** How an invocation ended. */
export type InvocationOutcome =
  | { readonly kind: 'response'; readonly payload: unknown; readonly requestId?: string }
  | { readonly kind: 'function-error'; readonly error: FunctionError; readonly requestId?: string }
  | { readonly kind: 'timed-out'; readonly requestId?: string }
  /** All execution environments were busy; the function was not called. */
  | { readonly kind: 'throttled' };
