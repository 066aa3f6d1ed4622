import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { emptyFolder, lastLine, millrace } from './command.ts';

const folder = emptyFolder();
const faults = 'kill-lambda=3,kill-worker=3,split-exchange=1,merge-exchange=1';

it('what changes behind a join of all records ever adds up to the same rows, whatever is killed', async () => {
  const generated = await millrace(folder, [
    ...['generate', 'nexmark', '--count', '3000', '--seed', '3', '--rate', '200', '--late', '0.05'],
    ...['--output', 'events.ndjson'],
  ]);
  expect(generated.code).toBe(0);
  const input = ['nexmark/q4', '--input', 'events.ndjson'];
  const ran = await millrace(folder, ['run', ...input, '--output', 'run.ndjson']);
  expect(lastLine(ran.stderr)).toBe('sent=3000 counted=2940 filtered=60 late=0 rejected=0');
  const { code, stderr } = await millrace(folder, [
    ...['dev', ...input, '--port', '0', '--rate', '500', '--once', '--output', 'dev.ndjson'],
    ...['--workers', '2', '--exchange-shards', '3', '--faults', faults],
  ]);
  expect(code).toBe(0);
  expect(lastLine(stderr)).toBe(lastLine(ran.stderr));
  const rows = readFileSync(join(folder, 'run.ndjson'), 'utf8');
  expect(rows.trimEnd().split('\n')).toHaveLength(5);
  expect(readFileSync(join(folder, 'dev.ndjson'), 'utf8')).toBe(rows);
}, 170_000);
