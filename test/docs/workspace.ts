import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from './page.ts';
import type { Outcome } from './run-page.ts';

const run = promisify(execFile);
const pageMsMax = 170_000;

export interface Workspace {
  /** What the compiler finds in the examples, each with the place in its page. */
  readonly compile: () => Promise<readonly string[]>;
  /** Runs a page's steps in their order. Gives an outcome for each. */
  readonly run: (page: Page) => Promise<readonly Outcome[]>;
}

/**
 * Writes the modules of all pages, a folder each, for the compiler and to be run. They lie inside the project, where git does not look, so
 * that `#shared/` is found.
 */
export function openWorkspace(name: string, pages: readonly Page[]): Workspace {
  const root = resolve('build', name);
  const bin = join(root, '.bin');
  rmSync(root, { recursive: true, force: true });
  mkdirSync(bin, { recursive: true });
  const command = join(bin, 'millrace');
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${resolve('cli/millrace.mjs')}" "$@"\n`);
  chmodSync(command, 0o755);
  writeFileSync(
    join(root, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.json',
      // An example may name what it does not go on to use.
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, incremental: false, tsBuildInfoFile: null },
      include: ['**/*.ts'],
      exclude: [],
    }),
  );
  for (const page of pages) writePage(join(root, nameOf(page)), page);
  return {
    compile: async () => (await compile(root)).map((message) => placed(pages, message)),
    run: (page) => runPage(join(root, nameOf(page)), bin),
  };
}

function writePage(folder: string, { steps }: Page): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'steps.json'), JSON.stringify(steps));
  for (const step of steps) {
    if (step.kind === 'command' || !step.name.endsWith('.ts')) continue;
    mkdirSync(resolve(folder, step.name, '..'), { recursive: true });
    writeFileSync(join(folder, step.name), step.text);
  }
}

async function compile(root: string): Promise<readonly string[]> {
  const tsc = resolve('node_modules/.bin/tsc');
  const printed = await run(tsc, ['-p', join(root, 'tsconfig.json'), '--pretty', 'false'], { encoding: 'utf8' }).then(
    ({ stdout }) => stdout,
    (error: { readonly stdout?: string; readonly message: string }) => error.stdout || error.message,
  );
  return printed.split('\n').filter((line) => line !== '');
}

async function runPage(folder: string, bin: string): Promise<readonly Outcome[]> {
  await run(process.execPath, ['--disable-warning=ExperimentalWarning', resolve('test/docs/run-page.ts'), folder], {
    env: { ...process.env, PATH: `${bin}:${process.env['PATH']}`, NO_COLOR: '1', TZ: 'UTC' },
    timeout: pageMsMax,
  });
  return JSON.parse(readFileSync(join(folder, 'outcomes.json'), 'utf8')) as readonly Outcome[];
}

/** What is wrong with a page: examples that failed, or that print something else than the page says. */
export function wrongWith(page: Page, outcomes: readonly Outcome[]): readonly Wrong[] {
  return page.steps.flatMap((step, index): readonly Wrong[] => {
    const { printed, failure } = outcomes[index] ?? { printed: '', failure: 'it was not run' };
    const at = `${page.path}:${step.line}`;
    if (failure !== undefined) return [{ at, failure }];
    const says = step.kind === 'file' ? undefined : step.output;
    return says === undefined || says === printed ? [] : [{ at, says, prints: printed }];
  });
}

/** `at`: the page and the line, for a person to click on. */
export type Wrong =
  | { readonly at: string; readonly failure: string }
  | { readonly at: string; readonly says: string; readonly prints: string };

function nameOf({ path }: Page): string {
  return path === 'README.md' ? 'project' : basename(path, '.md').toLowerCase();
}

/** Names the page's line instead of the module's: `build/docs/sql/example-3.ts(4,7): …`. */
function placed(pages: readonly Page[], message: string): string {
  const [, folder, name, line, rest] = /build\/[^/]+\/([^/]+)\/([^(]+)\((\d+),\d+\)(.*)$/.exec(message) ?? [];
  const page = pages.find((one) => nameOf(one) === folder);
  const step = page?.steps.find((one) => one.kind !== 'command' && one.name === name);
  return page === undefined || step === undefined ? message : `${page.path}:${step.line + Number(line) - 1}${rest}`;
}
