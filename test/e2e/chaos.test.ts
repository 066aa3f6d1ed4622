import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './command.ts';

const options = {
  events: '4000',
  rate: '200',
  workers: '2',
  shards: '4',
  'raw-shards': '2',
  kills: '6',
  'kill-every': '3s',
  'reshard-every': '8s',
};

it('npm run chaos: killed workers and Lambdas, splits and merges, and the rows of a batch', async () => {
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const printed = await new Promise<string>((resolve) => {
    // With exit code 1 it has printed what is different.
    const script = join(root, 'test', 'chaos', 'main.ts');
    execFile(process.execPath, [script, ...args], { timeout: 170_000 }, (_, out, err) => resolve(out + err));
  });
  expect(printed).toContain('pushed=4000 sent=4000 counted=4000 filtered=0 late=0 rejected=0\nEQUAL\n');
  // Shards are split for as long as it takes.
  expect(printed).toMatch(/^faults: kill-worker=6 kill-lambda=3 split-exchange=[1-9]\d* split-raw=[1-9]/m);
});
