import { expect, test } from 'vitest';
import { defaultSettings, readSettings } from '#local/event-source-mapping/settings.ts';

test("what the template leaves out is as AWS's defaults have it", () => {
  expect(readSettings({ StartingPosition: 'TRIM_HORIZON' })).toEqual(defaultSettings);
});

test('every property that a Kinesis mapping has is read', () => {
  const properties = {
    BatchSize: 500,
    MaximumBatchingWindowInSeconds: 5,
    ParallelizationFactor: 2,
    MaximumRetryAttempts: 3,
    MaximumRecordAgeInSeconds: 3_600,
    BisectBatchOnFunctionError: true,
    FunctionResponseTypes: ['ReportBatchItemFailures'],
    TumblingWindowInSeconds: 60,
    FilterCriteria: { Filters: [{ Pattern: '{"data":{"a":[1]}}' }] },
    StartingPosition: 'AT_TIMESTAMP',
    StartingPositionTimestamp: 1_767_225_600,
    Enabled: false,
  };
  expect(readSettings(properties)).toEqual({
    batchSize: 500,
    batchingWindowMs: 5_000,
    parallelizationFactor: 2,
    retryAttemptsMax: 3,
    recordAgeMsMax: 3_600_000,
    bisects: true,
    reportsItemFailures: true,
    tumblingWindowMs: 60_000,
    filters: ['{"data":{"a":[1]}}'],
    startingPosition: { type: 'AT_TIMESTAMP', timestampMs: 1_767_225_600_000 },
    enabled: false,
  });
});

test('-1 retries and -1 seconds of age are without limit', () => {
  const settings = readSettings({
    StartingPosition: 'LATEST',
    MaximumRetryAttempts: -1,
    MaximumRecordAgeInSeconds: -1,
  });
  expect([settings.retryAttemptsMax, settings.recordAgeMsMax]).toEqual([undefined, undefined]);
});

test.each([
  ['BatchSize', 10_001],
  ['BatchSize', 0],
  ['MaximumBatchingWindowInSeconds', 301],
  ['ParallelizationFactor', 11],
  ['MaximumRetryAttempts', 10_001],
  ['MaximumRecordAgeInSeconds', 59],
  ['TumblingWindowInSeconds', 901],
  ['StartingPosition', 'EARLIEST'],
  ['BatchSize', 1.5],
])('%s of %s is refused by name', (name, value) => {
  expect(() => readSettings({ StartingPosition: 'TRIM_HORIZON', [name]: value })).toThrow(
    `${name} of an event source mapping`,
  );
});

test('a sixth filter is refused', () => {
  const Filters = Array.from({ length: 6 }, () => ({ Pattern: '{"data":{"a":[1]}}' }));
  expect(() => readSettings({ StartingPosition: 'LATEST', FilterCriteria: { Filters } })).toThrow('6 filters');
});
