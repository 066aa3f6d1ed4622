import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import type { Step } from './page.ts';

// A process of its own for each page: `node run-page.ts FOLDER`. Reads the page's steps from steps.json there, and writes what each has
// printed, or how it failed, to outcomes.json.

/** Of one step. */
export interface Outcome {
  readonly printed: string;
  readonly failure?: string;
}

const commandMsMax = 60_000;

const folder = resolve(process.argv[2] ?? '.');
const steps = JSON.parse(readFileSync(resolve(folder, 'steps.json'), 'utf8')) as readonly Step[];
process.chdir(folder);

const outcomes: Outcome[] = [];
for (const step of steps) outcomes.push(await perform(step));
writeFileSync('outcomes.json', JSON.stringify(outcomes));

async function perform(step: Step): Promise<Outcome> {
  switch (step.kind) {
    case 'file':
      mkdirSync(dirname(resolve(step.name)), { recursive: true });
      writeFileSync(step.name, step.text);
      return { printed: '' };
    case 'module':
      return runModule(step.name);
    case 'command':
      return runCommand(step.text, step.fails);
  }
}

async function runModule(name: string): Promise<Outcome> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (...given: readonly unknown[]) => void lines.push(`${format(...given)}\n`);
  try {
    await import(pathToFileURL(resolve(name)).href);
    return { printed: lines.join('') };
  } catch (error) {
    return {
      printed: lines.join(''),
      failure: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  } finally {
    console.log = log;
  }
}

function runCommand(command: string, fails: boolean): Outcome {
  try {
    const printed = execFileSync('bash', ['-e', '-o', 'pipefail', '-c', command], {
      encoding: 'utf8',
      timeout: commandMsMax,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return fails ? { printed, failure: 'it was to fail, and did not' } : { printed };
  } catch (error) {
    const { stdout, stderr, status } = error as { stdout?: string; stderr?: string; status?: number | null };
    if (fails && typeof status === 'number') return { printed: stdout ?? '' };
    return { printed: stdout ?? '', failure: `it ended with ${status}: ${stderr ?? error}` };
  }
}
