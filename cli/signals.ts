/** Control-C in a terminal reaches us twice: once as one of its processes, once passed on by the command that started us. */
const echoMs = 500;

/** How a command ends that was interrupted before its end. */
export const interruptedCode = 130;

/** Calls `stop` at the first signal, and `leave`, which is to wait for nothing, at a second one. */
export function listenToSignals(on: { readonly stop: () => void; readonly leave: () => void }): {
  readonly isStopping: () => boolean;
} {
  let stoppingMs: number | undefined;
  const onSignal = (): void => {
    if (stoppingMs === undefined) {
      stoppingMs = performance.now();
      on.stop();
    } else if (performance.now() - stoppingMs > echoMs) on.leave();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  return { isStopping: () => stoppingMs !== undefined };
}
