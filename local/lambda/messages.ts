import type { FunctionError } from './outcome.ts';
import type { TerminationFlags } from './termination.ts';

/** What an execution environment is told when it starts. */
export interface Start {
  readonly bundlePath: string;
  /** The exported function's name. */
  readonly handlerName: string;
  readonly termination: TerminationFlags;
  readonly context: {
    readonly functionName: string;
    readonly functionVersion: string;
    readonly invokedFunctionArn: string;
    /** A string, as in AWS's own context. */
    readonly memoryLimitInMB: string;
    readonly logGroupName: string;
    readonly logStreamName: string;
  };
}

/** To the environment. Events and payloads travel as JSON text, as they do in AWS. */
export interface Invocation {
  readonly requestId: string;
  readonly eventJson: string;
  readonly timeoutMs: number;
}

/** From the environment. */
export type Report =
  | { readonly kind: 'ready' }
  | { readonly kind: 'start-failed'; readonly error: FunctionError }
  | { readonly kind: 'responded'; readonly requestId: string; readonly payloadJson: string }
  | { readonly kind: 'threw'; readonly requestId: string; readonly error: FunctionError };
