import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '#shared/schemas/error.ts';
import { ownFolder } from './folder.ts';
import type { KinesisReader, StartingPoint } from './kinesis/types.ts';

// What a stack keeps are parts that know of each other: what was read of a stream, what became of it, and where the next read begins. One
// without the others, or of another time, would lose records without a word.

/** Where the mappings note how far they have read. It is there once anything was. */
export const mappingsFolder = 'mappings';

/** A file or folder of each service. */
const parts = ['kinesis/kinesis.log', 'dynamodb/tables/CURRENT', 's3', 'sqs'];

/** Throws `STATE_UNREADABLE` for a folder of which a part is gone. Without what was read, all is read again, and nothing is lost. */
export function checkWhole(folder: string): void {
  const gone = parts.filter((part) => !existsSync(join(folder, part)));
  if (gone.length === 0 || !existsSync(join(folder, mappingsFolder))) return;
  throw new MillraceError('STATE_UNREADABLE', `${folder} was used before, and has no ${gone.join(', no ')}. ${advice}`);
}

/** Throws `STATE_UNREADABLE` for a mapping that has read further than the stream goes, which a torn copy or a power cut leaves. */
export function checkReach(
  reader: KinesisReader,
  it: {
    readonly folder: string;
    readonly streamName: string;
    readonly shards: Readonly<Record<string, { readonly from: StartingPoint }>>;
  },
): void {
  const { folder, streamName, shards } = it;
  for (const { shardId } of reader.listShards(streamName)) {
    const from = shards[shardId]?.from;
    if (from?.type !== 'AFTER_SEQUENCE_NUMBER') continue;
    const { next } = reader.read({ streamName, shardId, from: { type: 'LATEST' }, recordsMax: 1, bytesMax: 1 });
    // Numbers have one length, so their order as texts is their order.
    if (next.type !== 'AFTER_SEQUENCE_NUMBER' || from.sequenceNumber <= next.sequenceNumber) continue;
    throw new MillraceError(
      'STATE_UNREADABLE',
      `${folder}: ${shardId} of ${streamName} was read up to ${from.sequenceNumber}, and ends at ${next.sequenceNumber}, so records at its end are gone. ${advice}`,
    );
  }
}

const advice =
  'Put the whole folder back from a copy that was made while nothing ran on it, or begin afresh with --fresh, which drops all of it.';

/**
 * Forgets everything that a stack has kept; refused while one is running on it. After a kill half-way the folder is refused: a part that it
 * is known by goes first, so that none is taken for whole that has lost some of its files, and what was read goes last.
 */
export function dropState(folder: string): void {
  ownFolder(folder);
  for (const name of [...parts, ...readdirSync(folder)])
    if (name !== mappingsFolder) rmSync(join(folder, name), { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
}
