import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ownerOf, readJsonFile, writeJsonFile } from '#local/folder.ts';
import type { LocalStack } from '#local/stack.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** What other commands need to know of a running stack. */
export interface StackFile {
  /** Where it keeps its state, which is its own for as long as it runs. */
  readonly folder: string;
  readonly endpoints: LocalStack['endpoints'];
  readonly readUrl: string;
  readonly rawStreams: Readonly<Record<string, string>>;
  readonly stateTable: string;
  readonly resultsTable: string;
  readonly snapshotBucket: string | undefined;
}

const rootDefault = '.millrace';

/** What a stack keeps, and apart from that what a bounded run does. */
export function folderOf(
  pipeline: string,
  { root = rootDefault, once = false }: { readonly root?: string; readonly once?: boolean } = {},
): string {
  return join(root, once ? `${pipeline}-once` : pipeline);
}

/** Beside its folder: a bounded run has a folder of its own, and may run beside a stack of the same pipeline. */
export function writeStackFile(file: StackFile): void {
  mkdirSync(dirname(file.folder), { recursive: true });
  writeJsonFile(pathOf(file.folder), file);
}

export function stackFileOf(folder: string, stack: LocalStack): StackFile {
  const { endpoints, readUrl, stateTable, resultsTable, snapshotBucket } = stack;
  const rawStreams = Object.fromEntries(stack.rawStreams);
  return { folder, endpoints, readUrl, rawStreams, stateTable, resultsTable, snapshotBucket };
}

/** Forgets where the stack before was, while the next one starts: another one may answer at its ports. Leaves one that runs alone. */
export function forgetEndedStack(folder: string): void {
  const path = pathOf(folder);
  if (existsSync(path) && !isRunning(path)) rmSync(path, { force: true });
}

/** A file that is damaged says of none that it runs. */
function isRunning(path: string): boolean {
  try {
    return runningIn(path) !== undefined;
  } catch {
    return false;
  }
}

/**
 * The stack that runs for a pipeline in this folder, before a bounded run of it, or undefined. Of one that has ended the file is still there, and another stack may
 * answer at its ports. `SOURCE_UNAVAILABLE` while one starts.
 */
export function findStackFile(pipeline: string, root = rootDefault): StackFile | undefined {
  const folder = folderOf(pipeline, { root });
  const running = runningIn(pathOf(folder));
  if (running !== undefined) return running;
  const owner = ownerOf(folder);
  if (owner === undefined) return runningIn(pathOf(folderOf(pipeline, { root, once: true })));
  throw new MillraceError(
    'SOURCE_UNAVAILABLE',
    `process ${owner} works on ${folder} and answers nobody yet: a stack that is starting, or a savepoint that is made or restored. Try again in a moment.`,
  );
}

function runningIn(path: string): StackFile | undefined {
  if (!existsSync(path)) return undefined;
  const file = readJsonFile<Partial<StackFile>>(path, damaged);
  return file.folder !== undefined && ownerOf(file.folder) !== undefined ? (file as StackFile) : undefined;
}

/** As `findStackFile`; `SOURCE_UNAVAILABLE` when none runs. */
export function readStackFile(pipeline: string, root = rootDefault): StackFile {
  const file = findStackFile(pipeline, root);
  if (file !== undefined) return file;
  throw new MillraceError(
    'SOURCE_UNAVAILABLE',
    `no stack of pipeline ${pipeline} runs in this folder. Start one with "npm start ${pipeline}".`,
  );
}

function pathOf(folder: string): string {
  return `${folder}.json`;
}

const damaged = ', and says where the running stack is. Delete it, or start the stack again, which writes it anew.';
