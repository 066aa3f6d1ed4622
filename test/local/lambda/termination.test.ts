import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';

const environments = new URL('./killed-in-zlib.ts', import.meta.url);

/** The exit status of a process that kills environments while they are in zlib; null if it was aborted. */
function killInZlib(kills: number, words: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, [environments.pathname, String(kills), ...words], { stdio: 'ignore' });
  return new Promise((resolve) => child.on('exit', resolve));
}

test('an environment can be killed while it is in zlib', async () => {
  expect(await killInZlib(60, [])).toBe(0);
});

test('without the guard that aborts the process', async () => {
  expect(await killInZlib(2_000, ['--unguarded'])).not.toBe(0);
});
