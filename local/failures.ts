import type { InvocationOutcome } from './lambda/outcome.ts';
import { nameFromArn } from './template.ts';

/** Which functions fail now, and of what: AWS tells by its alarms, and a laptop has none. */
export interface Failures {
  /** Gives the outcome back. */
  readonly note: (functionArn: string, outcome: InvocationOutcome) => InvocationOutcome;
  readonly list: () => readonly string[];
}

/** A function that was killed, or met another's write, is well at its next try. */
const triesMin = 3;

export function createFailures(): Failures {
  const failing = new Map<string, { readonly tries: number; readonly message: string }>();
  return {
    note: (functionArn, outcome) => {
      const name = nameFromArn(functionArn);
      const message = messageOf(outcome);
      if (message !== undefined) failing.set(name, { tries: (failing.get(name)?.tries ?? 0) + 1, message });
      else if (outcome.kind === 'response') failing.delete(name);
      return outcome;
    },
    list: () =>
      [...failing]
        .filter(([, { tries }]) => tries >= triesMin)
        .map(([name, { tries, message }]) => `${name} has failed ${tries} times: ${message}`),
  };
}

function messageOf(outcome: InvocationOutcome): string | undefined {
  if (outcome.kind === 'timed-out') return 'its time was over.';
  return outcome.kind === 'function-error' ? outcome.error.errorMessage : undefined;
}
