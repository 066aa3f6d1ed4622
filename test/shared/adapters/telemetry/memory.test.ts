import { expect, test } from 'vitest';
import { createMemoryTelemetry, logLinesMax } from '#shared/adapters/telemetry/memory.ts';
import { telemetryContract } from '#test/contracts/telemetry.ts';

telemetryContract('telemetry in memory:', () => {
  const telemetry = createMemoryTelemetry();
  return { telemetry, samples: telemetry.samples, lines: () => telemetry.lines };
});

test('a total is told over all shards, or for some labels', () => {
  const telemetry = createMemoryTelemetry();
  telemetry.metric('records_in_total', 2, { shard: 'a', slot: '1' });
  telemetry.metric('records_in_total', 3, { shard: 'b', slot: '1' });
  expect(telemetry.value('records_in_total')).toBe(5);
  expect(telemetry.value('records_in_total', { shard: 'b' })).toBe(3);
  expect(telemetry.value('records_in_total', { shard: 'c' })).toBeUndefined();
});

test('any other metric is told as it was reported last, by whichever shard', () => {
  const telemetry = createMemoryTelemetry();
  telemetry.metric('checkpoint_age_ms', 1, { shard: 'a' });
  telemetry.metric('checkpoint_age_ms', 2, { shard: 'b' });
  telemetry.metric('checkpoint_age_ms', 3, { shard: 'a' });
  expect(telemetry.value('checkpoint_age_ms')).toBe(3);
});

test('of very many lines the newest are kept', () => {
  const telemetry = createMemoryTelemetry();
  for (let index = 0; index < logLinesMax + 5; index += 1) telemetry.log('info', `${index}`);
  expect(telemetry.lines).toHaveLength(logLinesMax);
  expect(telemetry.lines.at(-1)?.message).toBe(`${logLinesMax + 4}`);
});
