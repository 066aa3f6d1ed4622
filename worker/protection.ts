import type { Clock } from '#shared/ports/clock.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';

// A task that is protected is not stopped by scaling in or by a deployment; one that crashes, or that a health check fails, is.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html

/** Protection ends by itself, so that a task that hangs can be stopped in the end. */
const protectedMinutes = 5;
const renewMs = (protectedMinutes / 2) * 60_000;
const answerMsMax = 2_000;

/**
 * Gives a function that is told, again and again, whether the task should not be stopped now, and tells ECS when that changes. Where
 * there is no ECS, or it does not answer, the work goes on: protection only spares it from being done twice.
 */
export function protectTask(it: {
  /** `ECS_AGENT_URI`, which ECS sets in every container. */
  readonly agentUri: string | undefined;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}): (wanted: boolean) => Promise<void> {
  const { agentUri, clock, telemetry } = it;
  let isProtected = false;
  let saidMs = Number.NEGATIVE_INFINITY;
  let isAsking = false;
  let hasFailed = false;
  return async (wanted) => {
    const isRenewal = wanted && clock.now() - saidMs >= renewMs;
    if (agentUri === undefined || isAsking || (wanted === isProtected && !isRenewal)) return;
    isAsking = true;
    try {
      await say(agentUri, wanted);
      isProtected = wanted;
      saidMs = clock.now();
      hasFailed = false;
    } catch (error) {
      // The next look tries again; one line says it all.
      if (!hasFailed)
        telemetry.log('warn', 'The protection of the task could not be set; it may be stopped while its state moves.', {
          wanted,
          error: error instanceof Error ? error.message : String(error),
        });
      hasFailed = true;
    } finally {
      isAsking = false;
    }
  };
}

async function say(agentUri: string, wanted: boolean): Promise<void> {
  const response = await fetch(`${agentUri}/task-protection/v1/state`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ProtectionEnabled: wanted, ...(wanted && { ExpiresInMinutes: protectedMinutes }) }),
    signal: AbortSignal.timeout(answerMsMax),
  });
  const answer: unknown = await response.json();
  // It says no with a status, or with a `failure` or an `error` in place of the `protection`.
  if (!response.ok || typeof answer !== 'object' || answer === null || !('protection' in answer))
    throw new Error(`ECS answered ${response.status} ${JSON.stringify(answer)}`);
}
