import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { type Dev, emptyFolder, lastLine, millrace, millraceFile, root, startDev, until } from './command.ts';

/** In blocks of 512 bytes, as POSIX has it. */
const fileBlocksMax = 5_200;

interface Counts {
  readonly sent: number;
  readonly counted: number;
  readonly rejected: number;
}

async function countsOf(dev: Dev): Promise<Counts> {
  return (await (await fetch(`${dev.readUrl}/counts`)).json()) as Counts;
}

/** Made-up flow records in one minute, so that nothing is late in whatever order shards are read. */
function writeFlows(path: string, count: number): void {
  const lines = Array.from({ length: count }, (_, index) =>
    JSON.stringify({ ts: 1_763_700_000_000 + index, ip: `10.0.0.${index % 7}`, bytes: index }),
  );
  writeFileSync(path, `${lines.join('\n')}\n`);
}

describe('millrace dev', () => {
  it('serves a program that knows the AWS SDK alone', async () => {
    const dev = await startDev(emptyFolder(), ['flow', '--port', '0', '--rate', '1']);
    // The SDK for Python knows the second name only.
    expect(dev.environment).toMatchObject({ AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'us-east-1' });
    try {
      const child = spawn(
        process.execPath,
        [join(root, 'test', 'e2e', 'sdk-only.mjs'), dev.streams[0] as string, dev.resultsTable],
        {
          env: dev.environment,
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      expect(await text(child.stdout)).toBe('192.0.2.7 2 42\n');
    } finally {
      await dev.stop();
    }
  });

  it('keeps its state when it is stopped, and when it is killed with all that it has started', async () => {
    const folder = emptyFolder();
    const flows = join(folder, 'flows.ndjson');
    writeFlows(flows, 500);
    const first = await startDev(folder, ['flow', '--port', '0', '--input', flows]);
    await until(
      () => countsOf(first),
      ({ counted }) => counted === 500,
    );
    expect(await first.stop()).toBe(0);

    const second = await startDev(folder, ['flow', '--port', '0', '--input', flows]);
    // In the middle of its work: some records are counted, some only accepted.
    await until(
      () => countsOf(second),
      ({ sent }) => sent > 500,
    );
    await second.killAll();
    await until(
      async () => execFileSync('ps', ['-A', '-o', 'args'], { encoding: 'utf8' }).includes(folder),
      (isLeft) => !isLeft,
    );
    expect(execFileSync('ps', ['-A', '-o', 'args'], { encoding: 'utf8' })).not.toContain(folder);

    const third = await startDev(folder, ['flow', '--port', '0', '--input', flows]);
    const inStream = await until(
      () => countsOf(third),
      ({ sent, counted }) => sent >= 1_000 && sent === counted,
    );
    // Once more, so that what the killed one had pushed is surely through.
    const counts = await until(
      () => countsOf(third),
      ({ sent, counted }) => sent === counted && sent >= inStream.sent,
    );
    await third.stop();
    // Every record that Kinesis took is counted once: the first and the last 500, and those that the killed one had pushed.
    expect(counts.sent).toBe(counts.counted);
    expect(counts.sent).toBeGreaterThanOrEqual(1_000);
    expect(counts.sent).toBeLessThanOrEqual(1_500);
    expect(counts.rejected).toBe(0);
  });

  it('ends when the command that started it is killed', async () => {
    const folder = emptyFolder();
    const flows = join(folder, 'flows.ndjson');
    writeFlows(flows, 1);
    const dev = await startDev(folder, ['flow', '--port', '0', '--input', flows]);
    dev.killLauncher();
    const left = await until(
      async () => execFileSync('ps', ['-A', '-o', 'args'], { encoding: 'utf8' }),
      (processes) => !processes.includes(folder),
    );
    expect(left).not.toContain(folder);
    await (await startDev(folder, ['flow', '--port', '0'])).stop();
  });

  it.skipIf(!existsSync('/proc/self/stat'))('ends when npm is killed, whose shell goes on', async () => {
    const folder = emptyFolder();
    const flows = join(folder, 'flows.ndjson');
    writeFlows(flows, 1);
    const start = `"${process.execPath}" "${millraceFile}" dev flow --port 0 --input "${flows}"`;
    const npm = spawn('sh', ['-c', `sh -c '${start}; true'; true`], {
      cwd: folder,
      env: { ...process.env, npm_lifecycle_event: 'start' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise<void>((resolve) => npm.stdout.on('data', (data) => /^logs /m.test(String(data)) && resolve()));
    npm.kill('SIGKILL');
    const left = await until(
      async () => execFileSync('ps', ['-A', '-o', 'args'], { encoding: 'utf8' }),
      (processes) => !processes.includes(folder),
    );
    expect(left).not.toContain(folder);
  });

  it('tells how far a push came that is interrupted, whether more comes or not', async () => {
    const folder = emptyFolder();
    const flows = join(folder, 'flows.ndjson');
    writeFlows(flows, 3_000);
    const dev = await startDev(folder, ['flow', '--port', '0', '--input', '/dev/null']);
    const push = async (args: readonly string[], given: string, counted: number): Promise<string> => {
      const child = spawn(process.execPath, [millraceFile, 'push', 'flow', ...args], {
        cwd: folder,
        stdio: ['pipe', 'ignore', 'pipe'],
      });
      child.stdin.write(given);
      const printed = text(child.stderr);
      await until(
        () => countsOf(dev),
        (counts) => counts.counted >= counted,
      );
      child.kill('SIGINT');
      expect((await once(child, 'exit'))[0]).toBe(130);
      return lastLine(await printed);
    };
    try {
      const lines = readFileSync(flows, 'utf8').split('\n').slice(0, 5).join('\n');
      expect(await push(['--input', '-'], `${lines}\n`, 5)).toBe(
        'pushed=5, which count twice when they are pushed again: all of - up to record 5',
      );
      const [, pushed, last] =
        /^pushed=(\d+), which .* up to record (\d+)$/.exec(await push(['--input', flows, '--rate', '20'], '', 15)) ??
        [];
      expect(last).toBe(pushed);
      const all = await until(
        () => countsOf(dev),
        ({ counted }) => counted >= 5 + Number(pushed),
      );
      expect(all.counted).toBe(5 + Number(pushed));
    } finally {
      await dev.stop();
    }
  });

  it('answers queries, takes what is pushed, and drops its state for --fresh', async () => {
    const folder = emptyFolder();
    const flows = join(folder, 'flows.ndjson');
    writeFlows(flows, 140);
    const dev = await startDev(folder, ['flow', '--port', '0', '--input', flows]);
    const pushed = await millrace(folder, ['push', 'flow', '--input', flows]);
    expect(lastLine(pushed.stderr)).toBe('pushed=140');
    await until(
      () => countsOf(dev),
      ({ counted }) => counted === 280,
    );
    const query = (args: readonly string[]) => millrace(folder, ['query', 'by-ip', '--url', dev.readUrl, ...args]);
    const one = await until(
      () => query(['--key', 'ip=10.0.0.3', '--from', '2025-11-21T00:00:00Z', '--to', '2025-11-22T00:00:00Z']),
      ({ stdout }) => stdout.includes('"count":40'),
    );
    expect(JSON.parse(one.stdout)).toMatchObject({ view: 'by-ip', ip: '10.0.0.3', count: 40 });
    const top = await query(['--top', '2', '--by', 'bytes']);
    expect(
      top.stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { ip: string }).ip),
    ).toEqual(['10.0.0.6', '10.0.0.5']);
    const wrong = await query(['--top', '2', '--by', 'bites']);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('no column bites');
    await dev.stop();
    const fresh = await startDev(folder, ['flow', '--port', '0', '--rate', '1', '--fresh']);
    expect((await countsOf(fresh)).sent).toBeLessThan(140);
    await fresh.stop();
  });

  it('writes what its functions print into a log beside the state', async () => {
    const folder = emptyFolder();
    const dev = await startDev(folder, ['flow', '--port', '0', '--rate', '50']);
    await until(
      () => countsOf(dev),
      ({ counted }) => counted > 0,
    );
    await dev.stop();
    expect(readFileSync(join(folder, '.millrace', 'flow', 'log'), 'utf8')).toContain('records_in_total');
  });

  it('ends on a full disk with what to do, and has kept what it had accepted', async () => {
    const folder = emptyFolder();
    // No file may grow beyond 2.6 MB: more than any bundle has, less than the streams' log will need.
    const limited = ['-c', `ulimit -f ${fileBlocksMax}; exec "$0" "$@"`, process.execPath, millraceFile];
    const args = ['dev', 'flow', '--port', '0', '--rate', '8000', '--no-limits'];
    const full = spawnSync('/bin/sh', [...limited, ...args], { cwd: folder, encoding: 'utf8' });
    expect(full.stderr).toMatch(/DISK_FULL: No space is left to write to \S+kinesis.log/);
    expect(full.status).toBe(1);
    const dev = await startDev(folder, ['flow', '--port', '0', '--rate', '1']);
    const counts = await until(
      () => countsOf(dev),
      ({ sent, counted }) => sent > 5_000 && sent === counted,
    );
    expect(counts.counted).toBeGreaterThan(5_000);
    await dev.stop();
  });
});
