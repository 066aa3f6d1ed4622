import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readJsonFile, writeJsonFile } from '#local/folder.ts';
import { comesOnce, type Input } from './input.ts';

/** When each file was first pushed into a stack, by its full path. */
type Pushed = Readonly<Record<string, string>>;

/**
 * Notes in the stack's folder that these files are pushed, and gives a line for each that was before: a stream takes whatever it is sent, so
 * its records count once more.
 */
export function notePushed(folder: string, inputs: readonly Input[]): readonly string[] {
  const path = join(folder, 'pushed.json');
  const before = existsSync(path)
    ? readJsonFile<Pushed>(path, '. Delete it; it only says which files were pushed.')
    : {};
  const files = inputs.filter((input) => !comesOnce(input.path)).map((input) => input.path);
  const now = new Date().toISOString();
  const pushed = { ...Object.fromEntries(files.map((file) => [resolve(file), now])), ...before };
  if (files.length > 0) writeJsonFile(path, pushed);
  return files
    .filter((file) => before[resolve(file)] !== undefined)
    .map(
      (file) =>
        `${file} was pushed into this stack before, at ${before[resolve(file)]}; its records are pushed again, and count again. To go on with what is there give an input with only what is new, or /dev/null; --fresh drops what is there.`,
    );
}
