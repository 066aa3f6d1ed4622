import { afterEach, expect, test, vi } from 'vitest';
import { createPowertoolsTelemetry } from '#shared/adapters/telemetry/powertools.ts';
import { telemetryContract } from '#test/contracts/telemetry.ts';
import { extractMetrics, hostLabels, readLines, type WrittenLine } from './lines.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Powertools has its own way to standard output, so that is where its lines are caught. */
function open() {
  const written: WrittenLine[] = [];
  const catchLine = (text: string | Uint8Array): boolean => {
    const line = String(text);
    // Powertools' own warnings are no JSON.
    written.push(line.startsWith('{') ? (JSON.parse(line) as WrittenLine) : { message: line });
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(catchLine);
  vi.spyOn(process.stderr, 'write').mockImplementation(catchLine);
  return { telemetry: createPowertoolsTelemetry(hostLabels), written, ...readLines(written) };
}

telemetryContract('telemetry by Powertools:', open);

test('a line tells by which host and how bad', () => {
  const { telemetry, written } = open();
  telemetry.log('warn', 'It happened.');
  expect(written).toMatchObject([
    { ...hostLabels, level: 'WARN', message: 'It happened.', timestamp: expect.any(String) },
  ]);
});

test('metrics are in the format that CloudWatch takes them from, a value for each shard', () => {
  const { telemetry, written } = open();
  telemetry.metric('bytes_in_total', 5, { shard: 'a' });
  telemetry.metric('bytes_in_total', 7, { shard: 'b' });
  telemetry.metric('checkpoint_age_ms', 9);
  telemetry.flush();
  expect(written).toHaveLength(1);
  expect(extractMetrics(written[0] ?? {})).toMatchObject({
    namespace: 'Millrace',
    dimensions: [Object.entries(hostLabels)],
    metrics: [
      ['bytes_in_total', 'Bytes', 5, 7],
      ['checkpoint_age_ms', 'Milliseconds', 9],
    ],
  });
});

test('what was flushed is not reported again by the next invocation', () => {
  const { telemetry, samples } = open();
  telemetry.metric('records_in_total', 2);
  telemetry.flush();
  telemetry.metric('records_in_total', 3);
  telemetry.flush();
  expect(samples().map((sample) => sample.value)).toEqual([2, 3]);
});
