import type { StateStore } from '#shared/ports/state-store.ts';
import type { Checkpoint } from '#shared/schemas/state.ts';
import type { Random } from '#shared/testing/random.ts';
import type { FlawName } from './sabotages.ts';
import type { Flaws } from './world.ts';

/** An outside world that breaks a promise which the protocol rests on. */
export function flawsOf(name: FlawName | undefined): Flaws {
  switch (name) {
    case undefined:
      return {};
    case 'limited-retries':
      return { rawMapping: { retriesMax: 1 }, exchangeMapping: { retriesMax: 1 } };
    case 'starts-at-latest':
      return { exchangeMapping: { startsAtLatest: true } };
    case 'ignores-parents':
      return { rawMapping: { ignoresParents: true }, exchangeMapping: { ignoresParents: true } };
    case 'ignores-grandparents':
      return { rawMapping: { ignoresGrandparents: true }, exchangeMapping: { ignoresGrandparents: true } };
    case 'stale-checkpoints':
      return { state: withStaleCheckpoints };
  }
}

/** Reads of a checkpoint that are only eventually consistent. */
function withStaleCheckpoints(store: StateStore, random: Random): StateStore {
  const before = new Map<string, Checkpoint | undefined>();
  return {
    ...store,
    readCheckpoint: async (stage, slot) => {
      const name = `${stage}/${slot}`;
      return before.has(name) && random.chance(0.2) ? before.get(name) : store.readCheckpoint(stage, slot);
    },
    writeCheckpoint: async (request) => {
      before.set(`${request.stage}/${request.slot}`, await store.readCheckpoint(request.stage, request.slot));
      return store.writeCheckpoint(request);
    },
  };
}
