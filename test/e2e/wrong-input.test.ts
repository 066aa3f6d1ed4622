import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder, millrace, root } from './command.ts';

const folder = emptyFolder();
mkdirSync(join(folder, 'a-folder'));
writeFileSync(join(folder, 'in.ndjson'), '{}\n');
writeFileSync(join(folder, 'in.sql'), 'SELECT a FROM t');

describe('wrong input is answered with what is wrong and what to do', () => {
  it.each([
    ['an unknown command', ['frobnicate'], 'there is no command "frobnicate"'],
    ['an unknown pipeline', ['dev', 'nope'], 'pipelines/index.ts registers traffic, flow, errors'],
    ['a pipeline file that is not there', ['run', './nope.ts', '--input', '-'], 'there is no file'],
    ['a file that is not there', ['run', 'flow', '--input', 'nope.ndjson'], 'there is no such file'],
    ['a folder for a file', ['run', 'flow', '--input', 'a-folder'], 'it is a folder'],
    ['an unknown format', ['run', 'flow', '--input', '-', '--format', 'xml'], 'one of ndjson, csv, combined'],
    [
      'a format the source does not read',
      ['run', 'flow', '--input', '-', '--format', 'combined'],
      'it reads json, csv',
    ],
    ['an unknown view', ['run', 'flow', '--input', '-', '--view', 'by-op'], 'it has by-ip'],
    [
      'a rate that is no number',
      ['dev', '--rate', 'fast'],
      '--rate is "fast"; it must be "max" or a whole number of at least 1.',
    ],
    ['an unknown fault', ['dev', '--faults', 'boom=1'], 'kill-lambda, kill-worker'],
    ['faults of made-up traffic', ['dev', '--faults', 'kill-lambda=1'], '--faults is for an input'],
    ['--once without an input', ['dev', '--once'], 'it needs --input'],
    ['a misspelt option', ['run', 'flow', '--inptu', 'x', '--input', '-'], 'Did you mean --input?'],
    ['rows over the input', ['run', 'flow', '--input', 'in.ndjson', '--output', './in.ndjson'], 'is read too'],
    ['rows over the query', ['sql', 'in.sql', '--input', 'in.ndjson', '--output', 'in.sql'], 'is read too'],
    [
      'rows over a table',
      ['run', 'owners', '--input', '-', '--table', 'o=in.ndjson', '--output', 'in.ndjson'],
      'is read',
    ],
    [
      'rows of a stack over its input',
      ['dev', 'flow', '--once', '--input', 'in.ndjson', '--output', 'in.ndjson'],
      'is read',
    ],
    ['a query with nobody to answer', ['query', 'by-ip', '--url', 'http://127.0.0.1:9'], 'no read API answers'],
    ['a query of what is no URL', ['query', 'by-ip', '--url', 'here'], 'QUERY_INVALID: --url here is no URL'],
    ['an argument that is missing', ['generate', 'nexmark'], 'argument: --count. "millrace generate --help" says'],
    ['an option without its value', ['run', 'flow', '--input='], '--input needs a value'],
    ['a file that is no pipeline', ['plan', './a-folder'], 'name a file that ends in .ts, .js or .sql'],
    ['a savepoint that is not there', ['savepoint', 'restore', 'flow', '--in', 'none'], 'no savepoint in none'],
  ])('%s', async (_, args, message) => {
    const { code, stderr } = await millrace(folder, args);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(code).toBe(1);
  });

  it.each([
    ['a table in which nothing is looked up', 'owners', '{"ip":"192.0.2.1"}', 'it does in addresses'],
    ['an item without its key', 'addresses', '{"owner":"us"}', 'an item is not one of its table'],
  ])('%s, before what was kept is dropped', async (_, table, item, message) => {
    const kept = join(folder, '.millrace', 'owners', 'kept');
    mkdirSync(join(kept, '..'), { recursive: true });
    writeFileSync(kept, '');
    writeFileSync(join(folder, 'items.ndjson'), `${item}\n`);
    const { code, stderr } = await millrace(folder, ['dev', 'owners', '--fresh', '--table', `${table}=items.ndjson`]);
    expect(stderr).toContain(message);
    expect([code, existsSync(kept)]).toEqual([1, true]);
  });

  it.each([
    ['an unknown option', ['--query', 'q5'], "bench: Unknown option '--query'"],
    ['no number of rounds', ['--only', 'engine', '--rounds', 'x'], '--rounds is "x"; it must be a whole number'],
    ['no state', ['--state-mb', '0'], '--state-mb is "0"; it must be a whole number'],
  ])('of a benchmark, %s', (_, args, message) => {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'bench', 'main.ts'), ...args], {
      encoding: 'utf8',
    });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(status).toBe(1);
  });

  it('a place without savepoints is told', async () => {
    const { code, stdout, stderr } = await millrace(folder, ['savepoint', 'list', 'flow', '--in', 'none']);
    expect(stderr).toContain('there is no savepoint in none.');
    expect([code, stdout]).toEqual([0, '']);
  });

  it('a schema that validates asynchronously', async () => {
    // Inside the project, where its imports are found.
    const path = join(root, 'build', `async-${process.pid}.ts`);
    mkdirSync(join(root, 'build'), { recursive: true });
    writeFileSync(
      path,
      `import * as z from 'zod';
       import { count, days, dynamodb, minutes, pipeline, seconds, stream, tumbling } from '#shared/pipeline/index.ts';
       const s = stream('s', { schema: z.object({ t: z.number() }).refine(async () => true), timestamp: (r) => r.t, outOfOrderness: seconds(1) });
       export const p = pipeline('p', [s.keyBy((r) => ({ t: r.t })).window(tumbling(minutes(1)), { allowedLateness: seconds(0) }).aggregate('x', { n: count() }).to(dynamodb({ ttl: days(1) }))]);`,
    );
    try {
      const { code, stderr } = await millrace(folder, ['run', path, '--input', '-'], '{"t":1}\n');
      expect(stderr).toContain('SCHEMA_ASYNC: the schema of stream s validates asynchronously');
      expect(code).toBe(1);
    } finally {
      rmSync(path);
    }
  });

  it('records that are malformed, do not fit, or come from the year 50000 are told with their lines, and the rest is counted', async () => {
    const lines = [
      '{"ts":1763700000000,"ip":"a","bytes":5}',
      'not json',
      '{"ts":1,"ip":"a"}',
      '{"ts":1515737145600000,"ip":"a","bytes":1}',
      '{"ts":1763700000001,"ip":"a","bytes":5}',
    ];
    const { code, stdout, stderr } = await millrace(
      folder,
      ['run', 'flow', '--input', '-', '--dead-letters', 'dead.ndjson'],
      `${lines.join('\n')}\n`,
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ count: 2, bytes: 10, share: 1 });
    expect(stderr).toContain('sent=5 counted=2 filtered=0 late=0 rejected=3');
    const letters = readFileSync(join(folder, 'dead.ndjson'), 'utf8').trimEnd().split('\n');
    expect(
      letters
        .map((letter) => JSON.parse(letter) as { sequence: string; reason: string })
        .map(({ sequence, reason }) => `${sequence} ${reason}`),
    ).toEqual(['2 undecodable', '3 invalid', '4 invalid']);
  });

  it('a port that another process has', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { readonly port: number };
    const { code, stderr } = await millrace(folder, ['dev', 'flow', '--port', String(port - 1)]);
    server.close();
    expect(stderr).toContain(`PORT_IN_USE: `);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(code).toBe(1);
  });

  it.skipIf(!existsSync('/dev/full'))('a full disk', async () => {
    const { code, stderr } = await millrace(
      folder,
      ['run', 'flow', '--input', '-', '--output', '/dev/full'],
      '{"ts":1763700000000,"ip":"a","bytes":5}\n',
    );
    expect(stderr).toContain('DISK_FULL: the disk of /dev/full is full');
    expect(code).toBe(1);
  });
});
