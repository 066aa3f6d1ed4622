import type { Json } from '#shared/pipeline/aggregator.ts';
import { assert } from '#shared/schemas/error.ts';
import { type Checkpoint, stateVersion } from '#shared/schemas/state.ts';
import type { StateEntry, StatePart } from './memory-stage.ts';

/** By version, how a part of it becomes one of the next. `checkpoint` is the one that refers to it. */
const migrations: Readonly<Record<number, (part: unknown, checkpoint: Checkpoint) => unknown>> = {
  1: (part, checkpoint) => fromWholeStates(part as Readonly<Record<string, Json>>, checkpoint),
  // Entries without a part, which operators read as those of one.
  2: (part) => part,
  // Sessions and windows of n records of which nothing was shown.
  3: (part) => part,
};

/** A part of any version up to this one, as this version has it. */
export function migrate(part: unknown, version: number, checkpoint: Checkpoint): StatePart {
  let migrated = part;
  for (let from = version; from < stateVersion; from += 1) {
    const migration = migrations[from];
    assert(migration !== undefined, `there is a migration from version ${from} of the state`);
    migrated = migration(migrated, checkpoint);
  }
  return migrated as StatePart;
}

/** Version 1: the whole state by step, in one part, with the log in the checkpoint alone. */
function fromWholeStates(steps: Readonly<Record<string, Json>>, checkpoint: Checkpoint): StatePart {
  const entries = Object.entries(steps).flatMap(([id, saved]): StateEntry[] => {
    // Sessions, key by key: the form of today's entries.
    if (Array.isArray(saved)) return [[id, saved]];
    const { emittedMs, open, slices } = saved as unknown as {
      readonly emittedMs: number;
      readonly open: readonly number[];
      readonly slices: readonly Json[];
    };
    return [
      [id, { emittedMs, opened: open, fired: [], dropped: [] }],
      ...slices.map((slice): StateEntry => [id, slice]),
    ];
  });
  return { log: checkpoint, entries };
}
