import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const millraceFile = millraceOf(root);
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

function millraceOf(project: string): string {
  return join(project, 'cli', 'millrace.mjs');
}

/** A copy of the project in which one file reads otherwise, as if somebody had changed it. */
export function changedProject(path: string, change: (text: string) => string): string {
  const project = mkdtempSync(join(tmpdir(), 'millrace-project-'));
  const listed = spawnSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).stdout.split('\0');
  for (const file of listed) {
    if (file === '' || !existsSync(join(root, file))) continue;
    mkdirSync(join(project, dirname(file)), { recursive: true });
    copyFileSync(join(root, file), join(project, file));
  }
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'));
  writeFileSync(join(project, path), change(readFileSync(join(root, path), 'utf8')));
  return project;
}

/** Runs the command as a user does, and waits for its end. */
export async function millrace(cwd: string, args: readonly string[], input = '', project = root): Promise<Ended> {
  const child = spawn(process.execPath, [millraceOf(project), ...args], { cwd, stdio: 'pipe' });
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

/** A running `millrace dev`. */
export interface Dev {
  /** What it prints for other programs: endpoints, region, credentials. */
  readonly environment: Readonly<Record<string, string>>;
  readonly streams: readonly string[];
  readonly resultsTable: string;
  readonly readUrl: string;
  /** Ends it as Control-C does; gives the exit code. */
  readonly stop: () => Promise<number | null>;
  /** Ends the process that was called, and none that it has started, without a warning. */
  readonly killLauncher: () => void;
  /** Ends it and everything it has started without a warning. */
  readonly killAll: () => Promise<void>;
}

/** Starts `millrace dev` and waits until it has printed its addresses. */
export async function startDev(cwd: string, args: readonly string[], project = root): Promise<Dev> {
  const child = spawn(process.execPath, [millraceOf(project), 'dev', ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  let printed = '';
  child.stderr.on('data', (data) => {
    printed += data;
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (data) => {
      printed += data;
      if (/^logs /m.test(printed)) resolve();
    });
    closed.then((code) => reject(new Error(`dev ended with ${code}: ${printed}`)));
  });
  const field = (name: string): string => new RegExp(`^${name} +(.*)$`, 'm').exec(printed)?.[1] ?? '';
  return {
    environment: Object.fromEntries(
      [...printed.matchAll(/([A-Z0-9_]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
    ),
    streams: field('streams').split(', '),
    resultsTable: field('results'),
    readUrl: field('read API').replace('/views', ''),
    stop: async () => {
      child.kill('SIGTERM');
      return closed;
    },
    killLauncher: () => void child.kill('SIGKILL'),
    killAll: async () => {
      process.kill(-(child.pid as number), 'SIGKILL');
      await closed;
    },
  };
}

/** Asks again until `isDone`; gives the last answer when it never is. */
export async function until<T>(ask: () => Promise<T>, isDone: (answer: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    const answer = await ask();
    if (isDone(answer) || tries === triesMax) return answer;
    await setTimeout(250);
  }
}

const triesMax = 400;
