import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const answerBytesMax = 1 << 26;

/**
 * Runs a file of this folder in a process of its own and reads the JSON that it prints: nothing is warm, and no heap has grown. On the first core
 * alone if `isOnOneCore`, which Linux knows how to do.
 */
export async function runChild(
  file: string,
  words: readonly string[],
  nodeOptions: readonly string[] = [],
  isOnOneCore = false,
): Promise<unknown> {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const [command = '', ...args] = [
    ...(isOnOneCore ? ['taskset', '--cpu-list', '0'] : []),
    process.execPath,
    ...nodeOptions,
    script,
    ...words,
  ];
  const { stdout } = await promisify(execFile)(command, args, { maxBuffer: answerBytesMax });
  return JSON.parse(stdout);
}
