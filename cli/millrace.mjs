#!/usr/bin/env node
// Starts the command line under the Node that the project installs, which is the version that Lambda runs, whatever the machine has.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const installed = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
const [major] = process.versions.node.split('.').map(Number);
if (!existsSync(installed) && major < 24) {
  console.error(
    `millrace needs Node 24, which "npm ci" installs into the project; this is Node ${process.versions.node}. Run "npm ci" in ${root}.`,
  );
  process.exit(1);
}
const child = spawn(
  existsSync(installed) ? installed : process.execPath,
  [
    '--enable-source-maps',
    '--disable-warning=ExperimentalWarning',
    join(root, 'cli', 'main.ts'),
    ...process.argv.slice(2),
  ],
  {
    // The channel carries nothing; when this process is killed it closes, and the command ends.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  },
);
// The terminal signals the whole group; a signal sent to this process alone is passed on, and the child decides how to end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
// When npm is killed without a warning its shell waits for this process for ever, and only the shell's parent tells.
const shell = process.ppid;
const npm = parentOf(shell);
if (process.env.npm_lifecycle_event !== undefined && npm !== undefined)
  setInterval(() => {
    const parent = process.ppid === shell ? parentOf(shell) : npm;
    if (parent !== undefined && parent !== npm) child.kill('SIGTERM');
  }, 1_000).unref();
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));

/** Undefined where the system does not tell as Linux does, proc(5). */
function parentOf(processId) {
  try {
    const line = readFileSync(`/proc/${processId}/stat`, 'utf8');
    // The name, which stands in parentheses, may hold anything.
    return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
