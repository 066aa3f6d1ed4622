import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** Real input that lies beside the project where it is worked on, and is not part of it. */
export const accessLog = join(root, '..', 'shared', 'data', 'access.log');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An empty folder: the command keeps its state in the folder in which it is called. */
export function emptyFolder(): string {
  return mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
}

/** Runs the command as a user does, and waits for its end. */
export async function millrace(cwd: string, args: readonly string[], input = ''): Promise<Ended> {
  const child = spawn(process.execPath, [join(root, 'cli', 'millrace.mjs'), ...args], { cwd, stdio: 'pipe' });
  child.stdin.end(input);
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]);
  return { code, stdout, stderr };
}

/** The last line of what was printed. */
export function lastLine(printed: string): string {
  return printed.trimEnd().split('\n').at(-1) ?? '';
}
