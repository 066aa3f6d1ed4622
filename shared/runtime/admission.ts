import { oncePer } from '#shared/engine/compile/once-per.ts';
import { contractOf, type StateContract } from '#shared/pipeline/contract.ts';
import { diffContracts, refuseLosses } from '#shared/pipeline/contract-diff.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import type { Plan } from '#shared/pipeline/plan.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** Stands in the place of a plan's hash while a savepoint is restored. */
export const restoringPlan = 'restoring';

/**
 * Gives a function that a host awaits before it does anything: it compares the plan's contract with the one that the state was made under,
 * and records it in its place. Rejects with `STATE_WOULD_BE_LOST` when a loss was not named, and with `SLOTS_MISMATCH` when the state has
 * to be moved first; nothing was written then. Once it has resolved, it asks no more.
 */
export function createAdmission(pipeline: Pipeline, state: StateStore): () => Promise<void> {
  let admitted: Promise<void> | undefined;
  return () => {
    admitted ??= admit(pipeline, state).catch((error: unknown) => {
      admitted = undefined;
      throw error;
    });
    return admitted;
  };
}

async function admit(pipeline: Pipeline, state: StateStore): Promise<void> {
  const contract = { plan: pipeline.planHash, body: bodyOf(pipeline.plan) };
  for (;;) {
    const read = await state.readContract();
    if (read?.plan === contract.plan) return;
    if (read?.plan === restoringPlan)
      throw new MillraceError(
        'RESTORE_UNDER_WAY',
        `a savepoint is being put into the state of pipeline ${pipeline.id}; hosts wait for it. If it was broken off, empty the deployment and restore again.`,
      );
    if (read !== undefined) {
      const differences = diffContracts(JSON.parse(read.body) as StateContract, contractOf(pipeline.plan));
      refuseLosses(differences, pipeline.dropped ?? [], `state of pipeline ${pipeline.id}`);
    }
    if ((await state.writeContract({ contract, read })) === 'written') return;
  }
}

/** The contract of a plan as it is recorded. */
const bodyOf = oncePer((plan: Plan) => JSON.stringify(contractOf(plan)));
