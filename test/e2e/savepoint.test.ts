import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KinesisClient, ListShardsCommand, PutRecordCommand } from '@aws-sdk/client-kinesis';
import { describe, expect, it } from 'vitest';
import { localClient } from '#local/client.ts';
import { traffic } from '#pipelines/traffic.ts';
import { endOfStreamMs, watermarkPartitionKey } from '#shared/schemas/punctuation.ts';
import { accessLog, changedProject, type Dev, emptyFolder, millrace, startDev, until } from './command.ts';

type Row = Readonly<Record<string, unknown>> & { readonly final: boolean };

const common = ['--port', '0', '--format', 'combined', '--rate', 'max'];

async function rowsOf(dev: Dev): Promise<readonly Row[]> {
  const views = Object.keys(traffic.outputs);
  const rows = await Promise.all(
    views.map(async (view) => {
      const answer = await fetch(`${dev.readUrl}/views/${view}?from=0&to=4102444800000`);
      return (await answer.json()) as readonly Row[];
    }),
  );
  return rows.flat();
}

async function sentTo(dev: Dev): Promise<number> {
  const answer = (await (await fetch(`${dev.readUrl}/counts`)).json()) as { readonly sent: number };
  return answer.sent;
}

type Progress = Readonly<{ watermarkMs: number | null; slots: number }>;

/** When the second stack takes over; the first has 16. */
const slotsThen = 4;

async function progressOf(dev: Dev): Promise<readonly Progress[]> {
  return (await (await fetch(`${dev.readUrl}/progress`)).json()) as readonly Progress[];
}

/** Promises in every shard that nothing older follows, so that all windows close. */
async function end(dev: Dev): Promise<void> {
  const client = new KinesisClient(localClient(dev.environment['AWS_ENDPOINT_URL_KINESIS'] ?? ''));
  const [StreamName] = dev.streams;
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName }));
  const Data = new TextEncoder().encode(JSON.stringify({ watermark: endOfStreamMs }));
  for (const shard of Shards) {
    const ExplicitHashKey = shard.HashKeyRange?.StartingHashKey;
    await client.send(new PutRecordCommand({ StreamName, PartitionKey: watermarkPartitionKey, ExplicitHashKey, Data }));
  }
}

function linesOf(rows: readonly Row[]): readonly string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}

describe.skipIf(!existsSync(accessLog))('a savepoint of a real access log', () => {
  it('goes on in another stack with another number of slots, and both together have the rows of one run', {
    timeout: 600_000,
  }, async () => {
    const [first, second] = [emptyFolder(), emptyFolder()];
    const lines = readFileSync(accessLog, 'utf8').trimEnd().split('\n');
    const half = lines.length / 2;
    writeFileSync(join(first, 'half.log'), `${lines.slice(0, half).join('\n')}\n`);
    writeFileSync(join(second, 'half.log'), `${lines.slice(half).join('\n')}\n`);

    const one = await startDev(first, ['traffic', ...common, '--input', 'half.log']);
    expect(
      await until(
        () => sentTo(one),
        (sent) => sent >= half,
      ),
    ).toBe(half);
    const created = await millrace(first, ['savepoint', 'create', 'traffic', '--drained', '--id', 'half']);
    expect(created.stderr + created.stdout).toMatch(/^half {3}pipeline traffic .* 16 slots .* drained /m);
    const before = (await rowsOf(one)).filter((row) => row.final);
    expect(await one.stop()).toBe(0);

    const fewer = changedProject('pipelines/traffic.ts', (text) =>
      text.replace("pipeline('traffic', [perMinute, perFiveMinutes, perHour, visits])", (call) =>
        call.replace(')', `, { slots: ${slotsThen} })`),
      ),
    );
    const place = ['--in', join(first, '.millrace', 'savepoints', 'traffic')];
    expect((await millrace(second, ['savepoint', 'list', 'traffic', ...place])).stdout).toBe(created.stdout);
    const restored = await millrace(second, ['savepoint', 'restore', 'traffic', ...place], '', fewer);
    expect([restored.code, restored.stdout], restored.stderr).toEqual([0, `restored ${created.stdout}`]);
    const again = await millrace(second, ['savepoint', 'restore', 'traffic', ...place], '', fewer);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('SAVEPOINT_REFUSED')]);

    const two = await startDev(second, ['traffic', ...common, '--input', 'half.log'], fewer);
    expect(
      await until(
        () => sentTo(two),
        (sent) => sent >= lines.length,
      ),
    ).toBe(lines.length);
    await end(two);
    const isEnd = ({ watermarkMs }: Progress): boolean => watermarkMs === endOfStreamMs;
    expect(
      (
        await until(
          () => progressOf(two),
          (progress) => progress.every(isEnd),
        )
      ).every(isEnd),
    ).toBe(true);
    expect(Math.max(...(await progressOf(two)).map(({ slots }) => slots))).toBe(slotsThen);
    const after = await rowsOf(two);
    expect(await two.stop()).toBe(0);

    const output = ['--output', 'rows.ndjson'];
    await millrace(first, ['run', 'traffic', '--input', accessLog, '--format', 'combined', ...output]);
    const whole = readFileSync(join(first, 'rows.ndjson'), 'utf8').trimEnd().split('\n').sort();
    expect(before.length).toBeGreaterThan(0);
    expect(linesOf([...before, ...after])).toEqual(whole);
  });
});
