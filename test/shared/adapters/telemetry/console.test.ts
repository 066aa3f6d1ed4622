import { expect, test, vi } from 'vitest';
import { createConsoleTelemetry, flushEveryMs } from '#shared/adapters/telemetry/console.ts';
import { telemetryContract } from '#test/contracts/telemetry.ts';
import { extractMetrics, hostLabels, readLines, type WrittenLine } from './lines.ts';

function open(level?: 'debug' | 'warn') {
  const world = { nowMs: Date.UTC(2026, 0, 1) };
  const written: WrittenLine[] = [];
  const telemetry = createConsoleTelemetry(hostLabels, {
    now: () => world.nowMs,
    write: (line) => written.push(JSON.parse(line) as WrittenLine),
    ...(level === undefined ? {} : { level }),
  });
  return { telemetry, written, world, ...readLines(written) };
}

telemetryContract('telemetry on the console:', open);

test('a line tells when, by which host and how bad', () => {
  const { telemetry, written } = open();
  telemetry.log('warn', 'It happened.');
  expect(written).toEqual([
    { ...hostLabels, level: 'WARN', timestamp: '2026-01-01T00:00:00.000Z', message: 'It happened.' },
  ]);
});

test('metrics are in the format that CloudWatch takes them from, a value for each shard', () => {
  const { telemetry, written } = open();
  telemetry.metric('bytes_in_total', 5, { shard: 'a' });
  telemetry.metric('bytes_in_total', 7, { shard: 'b' });
  telemetry.metric('checkpoint_age_ms', 9);
  telemetry.metric('busy_ratio', 0.5);
  telemetry.flush();
  expect(written).toHaveLength(1);
  expect(extractMetrics(written[0] ?? {})).toEqual({
    namespace: 'Millrace',
    timestampMs: Date.UTC(2026, 0, 1),
    dimensions: [Object.entries(hostLabels)],
    metrics: [
      ['bytes_in_total', 'Bytes', 5, 7],
      ['checkpoint_age_ms', 'Milliseconds', 9],
      ['busy_ratio', 'None', 0.5],
    ],
  });
});

test('no line has more than 100 values of a metric', () => {
  const { telemetry, written } = open();
  for (let shard = 0; shard < 250; shard += 1) telemetry.metric('millis_behind_latest', shard, { shard: `${shard}` });
  telemetry.flush();
  expect(written.map((line) => (line['millis_behind_latest'] as number[]).length)).toEqual([100, 100, 50]);
});

test('metrics are written by themselves every few seconds', () => {
  const { telemetry, world, samples } = open();
  telemetry.metric('records_in_total', 1);
  world.nowMs += flushEveryMs - 1;
  telemetry.metric('records_in_total', 1);
  expect(samples()).toEqual([]);
  world.nowMs += 1;
  telemetry.metric('records_in_total', 1);
  expect(samples()).toMatchObject([{ value: 3 }]);
});

test('lines below the level are not written, and metrics are', () => {
  const { telemetry, written } = open('warn');
  telemetry.log('info', 'no');
  telemetry.metric('leases', 1);
  telemetry.flush();
  expect(written.map((line) => line['message'])).toEqual(['metrics']);
});

test('a console that fails stops nothing, and is told of on standard error', () => {
  const told = vi.spyOn(console, 'error').mockImplementation(() => {});
  const telemetry = createConsoleTelemetry(hostLabels, {
    write: () => {
      throw new Error('EPIPE');
    },
  });
  telemetry.log('info', 'x');
  telemetry.metric('leases', 1);
  telemetry.flush();
  expect(told).toHaveBeenCalledTimes(2);
  told.mockRestore();
});
