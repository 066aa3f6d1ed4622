import { expect, test } from 'vitest';
import { createForwardingTelemetry, type Told, tellOn } from '#shared/adapters/telemetry/forward.ts';
import { createMemoryTelemetry } from '#shared/adapters/telemetry/memory.ts';

/** All that is told goes through a structured clone, as between threads. */
function connected(labels: Readonly<Record<string, string>>) {
  const end = createMemoryTelemetry();
  const telemetry = createForwardingTelemetry(labels, (told: Told) => tellOn(end, structuredClone(told)));
  return { telemetry, end };
}

test('metrics come out with the labels of the thread beside their own', () => {
  const { telemetry, end } = connected({ thread: '1' });
  telemetry.metric('late_records_total', 2, { slot: '3' });
  telemetry.metric('late_records_total', 1, { slot: '3' });
  expect(end.samples()).toEqual([{ name: 'late_records_total', value: 3, labels: { thread: '1', slot: '3' } }]);
});

test('logs come out with the thread, and errors as what they hold', () => {
  const { telemetry, end } = connected({ thread: '0' });
  telemetry.log('warn', 'It broke.', { error: new RangeError('too far') });
  expect(end.lines).toMatchObject([
    { level: 'warn', message: 'It broke.', fields: { thread: '0', error: { name: 'RangeError', message: 'too far' } } },
  ]);
});

test('two threads are two samples', () => {
  const end = createMemoryTelemetry();
  for (const thread of ['0', '1'])
    createForwardingTelemetry({ thread }, (told) => tellOn(end, told)).metric('leases', 2, { stage: 'window' });
  expect(end.samples()).toHaveLength(2);
});
