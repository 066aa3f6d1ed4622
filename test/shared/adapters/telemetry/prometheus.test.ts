import { expect, test } from 'vitest';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { createPrometheusTelemetry, shardSilenceMsMax } from '#shared/adapters/telemetry/prometheus.ts';
import { telemetryContract } from '#test/contracts/telemetry.ts';
import { hostLabels } from './lines.ts';

function open() {
  const world = { nowMs: 0 };
  const next = createMemoryTelemetry();
  const telemetry = createPrometheusTelemetry(hostLabels, next, () => world.nowMs);
  const scrape = async () => (await telemetry.scrape()).split('\n').filter((line) => line.startsWith('millrace_'));
  return { telemetry, world, scrape, samples: next.samples, lines: () => next.lines };
}

telemetryContract('telemetry for Prometheus, passed on:', open);

const host = 'pipeline="traffic",stage="window",placement="fargate"';

test('totals are added up over flushes, and of all else the latest is told', async () => {
  const { telemetry, scrape } = open();
  telemetry.metric('late_records_total', 2, { slot: '1' });
  telemetry.metric('leases', 4);
  telemetry.flush();
  telemetry.metric('late_records_total', 3, { slot: '1' });
  telemetry.metric('leases', 5);
  expect(await scrape()).toEqual([`millrace_late_records_total{slot="1",${host}} 5`, `millrace_leases{${host}} 5`]);
});

test('a label of the metric wins over one of the host', async () => {
  const { telemetry, scrape } = open();
  telemetry.metric('state_keys', 7, { stage: 'other' });
  expect(await scrape()).toEqual([expect.stringMatching(/stage="other".* 7$/)]);
  expect((await scrape()).join()).not.toContain('stage="window"');
});

test('a shard that another worker reads now is told of no more', async () => {
  const { telemetry, world, scrape } = open();
  telemetry.metric('millis_behind_latest', 1, { shard: 'a' });
  telemetry.metric('checkpoint_bytes', 1, { shard: 'b' });
  world.nowMs = shardSilenceMsMax;
  telemetry.metric('millis_behind_latest', 2, { shard: 'b' });
  world.nowMs += 1;
  const shards = (await scrape()).map((line) => /shard="(\w)"/.exec(line)?.[1]);
  expect(shards).toEqual(['b', 'b']);
});

test('the process itself is told of too', async () => {
  expect(await open().telemetry.scrape()).toMatch(/^nodejs_eventloop_lag_seconds\{/m);
});
