import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LocalStack } from '#local/stack.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** What other commands need to know of a running stack. */
export interface StackFile {
  readonly endpoints: LocalStack['endpoints'];
  readonly readUrl: string;
  readonly rawStreams: Readonly<Record<string, string>>;
  readonly stateTable: string;
  readonly resultsTable: string;
  readonly snapshotBucket: string | undefined;
}

function pathOf(pipeline: string): string {
  return join('.millrace', `${pipeline}.json`);
}

export function writeStackFile(pipeline: string, stack: LocalStack): void {
  const { endpoints, readUrl, stateTable, resultsTable, snapshotBucket } = stack;
  const path = pathOf(pipeline);
  mkdirSync(dirname(path), { recursive: true });
  const rawStreams = Object.fromEntries(stack.rawStreams);
  const file: StackFile = { endpoints, readUrl, rawStreams, stateTable, resultsTable, snapshotBucket };
  writeFileSync(path, `${JSON.stringify(file, null, 2)}\n`);
}

export function hasStackFile(pipeline: string): boolean {
  return existsSync(pathOf(pipeline));
}

/** The stack that was started last for a pipeline in this folder. */
export function readStackFile(pipeline: string): StackFile {
  if (!hasStackFile(pipeline))
    throw new MillraceError(
      'SOURCE_UNAVAILABLE',
      `no stack of pipeline ${pipeline} was started in this folder. Start one with "npm start ${pipeline}".`,
    );
  return JSON.parse(readFileSync(pathOf(pipeline), 'utf8')) as StackFile;
}
