import { expect, test } from 'vitest';
import { describeMetrics } from '#cli/worker-view.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';
import { createPrometheusTelemetry } from '#shared/adapters/telemetry/prometheus.ts';

test('a worker is described by the metrics of its threads', async () => {
  const telemetry = createPrometheusTelemetry(
    { pipeline: 'traffic', stage: 'window', placement: 'fargate' },
    createMemoryTelemetry(),
  );
  expect(describeMetrics(await telemetry.scrape())).toBe('no shards yet');
  for (const [thread, share] of Object.entries([1, 2])) {
    telemetry.metric('leases', share, { stage: 'window', thread });
    telemetry.metric('state_keys', 40 * share, { stage: 'window', thread });
    telemetry.metric('open_windows', 61 * share, { stage: 'window', thread });
    telemetry.metric('checkpoint_age_ms', 1_605 * share, { stage: 'window', thread });
  }
  expect(describeMetrics(await telemetry.scrape())).toBe(
    'shards 3   keys 120   open windows 183   checkpoint 3.2 s ago',
  );
});
