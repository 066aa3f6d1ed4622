import { createMemoryBlobStore } from '#shared/adapters/memory/blob-store.ts';
import type { Pipeline } from '#shared/pipeline/index.ts';
import type { RawStreams } from '#shared/ports/raw-streams.ts';
import { createSavepoint } from '#shared/runtime/savepoint-create.ts';
import { restoreSavepoint } from '#shared/runtime/savepoint-restore.ts';
import { hasCode } from '#shared/schemas/error.ts';
import { Driver } from '#shared/testing/driver.ts';
import type { Sent } from '#shared/testing/index.ts';
import { type Result, resultOf, send, tablesOf } from './results.ts';

/** Nothing of them is ever gone, and all was read. */
const rawStreams: RawStreams = {
  identityOf: async (source) => source,
  shards: async () => ['shard-0'],
  holds: async () => true,
  isAtEnd: async () => true,
};

/**
 * What becomes of records when a deployment with other slots goes on from a savepoint behind the first `read` of them. Undefined where none is
 * made, or cannot be moved.
 */
export async function movedOf(
  pipeline: Pipeline,
  records: readonly Sent[],
  { read, slots: [before, after] }: { readonly read: number; readonly slots: readonly [before: number, after: number] },
): Promise<Result | undefined> {
  const deployed = (slots: number): Driver => new Driver(withSlots(pipeline, slots), { tables: tablesOf(pipeline) });
  const first = deployed(before);
  await send(first, records.slice(0, read));
  await first.settled();
  const store = createMemoryBlobStore();
  const next = deployed(after);
  // The table of rows is kept.
  Object.assign(next.hosts, { results: first.hosts.results });
  try {
    const manifest = await createSavepoint({ ...portsOf(first), rawStreams }, store, { id: 'one' });
    await restoreSavepoint({ ...portsOf(next), rawStreams }, store, manifest);
  } catch (error) {
    if (hasCode(error, 'SAVEPOINT_REFUSED')) return undefined;
    throw error;
  }
  await send(next, records);
  await next.close();
  // Letters, files and streams are those of two deployments.
  const { rows, counts } = await resultOf(pipeline, next);
  return { rows, counts };
}

function portsOf({ hosts }: Driver) {
  const { pipeline, state, blobs, results, clock, telemetry } = hosts;
  return { pipeline, state, blobs, results, clock, telemetry };
}

/** One key group, as of few keys: other slots would have others. */
function withSlots(pipeline: Pipeline, slots: number): Pipeline {
  return { ...pipeline, plan: { ...pipeline.plan, slots, groups: 1 } };
}
