import { join } from 'node:path';
import { createCheckpointFile } from './checkpoint-file.ts';
import type { InvocationOutcome } from './lambda/outcome.ts';
import { nameFromArn } from './template.ts';

/** Which functions and workers fail now, and of what: AWS tells by its alarms, and a laptop has none. */
export interface Failures {
  /** One of this name did its work, or failed with a message. */
  readonly note: (name: string, message: string | undefined) => void;
  /** Notes how a function ended; gives the outcome back. */
  readonly noteOutcome: (functionArn: string, outcome: InvocationOutcome) => InvocationOutcome;
  readonly list: () => readonly string[];
}

/** What was killed, or met another's write, is well at its next try. */
const triesMin = 3;

/** The failures of the stack that runs in a folder, for other processes. */
export const failuresFileIn = (folder: string) =>
  createCheckpointFile<readonly string[]>(join(folder, 'failures.json'));

export function createFailures(onChange: () => void = () => undefined): Failures {
  const failing = new Map<string, { readonly tries: number; readonly message: string }>();
  const note = (name: string, message: string | undefined): void => {
    if (message === undefined && !failing.has(name)) return;
    if (message === undefined) failing.delete(name);
    else failing.set(name, { tries: (failing.get(name)?.tries ?? 0) + 1, message });
    onChange();
  };
  return {
    note,
    noteOutcome: (functionArn, outcome) => {
      const message = messageOf(outcome);
      if (message !== undefined || outcome.kind === 'response') note(nameFromArn(functionArn), message);
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
