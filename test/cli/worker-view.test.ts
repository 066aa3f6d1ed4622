import { expect, test } from 'vitest';
import { describeMetrics } from '#cli/worker-view.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { createPrometheusTelemetry } from '#shared/adapters/telemetry/prometheus.ts';

test('a worker is described by its metrics', async () => {
  const telemetry = createPrometheusTelemetry(
    { pipeline: 'traffic', stage: 'window', placement: 'fargate' },
    createMemoryTelemetry(),
  );
  expect(describeMetrics(await telemetry.scrape())).toBe('no shards yet');
  telemetry.metric('leases', 2, { stage: 'window' });
  telemetry.metric('state_keys', 40, { stage: 'window' });
  telemetry.metric('open_windows', 61, { stage: 'window' });
  telemetry.metric('checkpoint_age_ms', 3_210, { stage: 'window' });
  expect(describeMetrics(await telemetry.scrape())).toBe('shards 2   keys 40   open windows 61   checkpoint 3.2 s ago');
});
