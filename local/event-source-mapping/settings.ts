import type { StartingPoint } from '#local/kinesis/types.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import * as limits from './limits.ts';

/** What can be set on an event source mapping. What is left out is as AWS has it. */
export interface MappingSettings {
  readonly batchSize: number;
  /** How long records are gathered before a batch that is not full is sent; 0 sends what there is. */
  readonly batchingWindowMs: number;
  /** How many batches of one shard may be in flight. */
  readonly parallelizationFactor: number;
  /** Undefined: without limit. */
  readonly retryAttemptsMax?: number;
  /** Undefined: without limit. */
  readonly recordAgeMsMax?: number;
  readonly bisects: boolean;
  /** Whether `batchItemFailures` in a response is read. */
  readonly reportsItemFailures: boolean;
  /** 0: no tumbling windows. */
  readonly tumblingWindowMs: number;
  /** Patterns as JSON text; a record passes if it matches one of them, or if there is none. */
  readonly filters: readonly string[];
  readonly startingPosition: Extract<StartingPoint, { type: 'TRIM_HORIZON' | 'LATEST' | 'AT_TIMESTAMP' }>;
  readonly enabled: boolean;
}

export const defaultSettings: MappingSettings = {
  batchSize: limits.batchSizeDefault,
  batchingWindowMs: 0,
  parallelizationFactor: 1,
  bisects: false,
  reportsItemFailures: false,
  tumblingWindowMs: 0,
  filters: [],
  startingPosition: { type: 'TRIM_HORIZON' },
  enabled: true,
};

/**
 * The settings in the properties of an `AWS::Lambda::EventSourceMapping`, with AWS's defaults and refusals.
 *
 *     readSettings({ BatchSize: 500, StartingPosition: 'TRIM_HORIZON', FunctionResponseTypes: ['ReportBatchItemFailures'] })
 */
export function readSettings(properties: Readonly<Record<string, unknown>>): MappingSettings {
  const number = (name: string, otherwise: number, low: number, high: number) =>
    checkNumber({ name, value: properties[name] ?? otherwise, low, high });
  const retries = number('MaximumRetryAttempts', -1, -1, limits.retryAttemptsMax);
  const ageSeconds = number('MaximumRecordAgeInSeconds', -1, -1, limits.recordAgeMsMax / 1_000);
  if (ageSeconds !== -1 && ageSeconds * 1_000 < limits.recordAgeMsMin) {
    throw refuse('MaximumRecordAgeInSeconds', ageSeconds, `Use -1 or at least ${limits.recordAgeMsMin / 1_000}.`);
  }
  return {
    batchSize: number('BatchSize', limits.batchSizeDefault, 1, limits.batchSizeMax),
    batchingWindowMs: number('MaximumBatchingWindowInSeconds', 0, 0, limits.batchingWindowMsMax / 1_000) * 1_000,
    parallelizationFactor: number('ParallelizationFactor', 1, 1, limits.parallelizationFactorMax),
    ...(retries === -1 ? {} : { retryAttemptsMax: retries }),
    ...(ageSeconds === -1 ? {} : { recordAgeMsMax: ageSeconds * 1_000 }),
    bisects: isTrue(properties['BisectBatchOnFunctionError'] ?? false),
    reportsItemFailures: readList(properties['FunctionResponseTypes']).includes('ReportBatchItemFailures'),
    tumblingWindowMs: number('TumblingWindowInSeconds', 0, 0, limits.tumblingWindowMsMax / 1_000) * 1_000,
    filters: readFilters(properties['FilterCriteria']),
    startingPosition: readStartingPosition(properties),
    enabled: isTrue(properties['Enabled'] ?? true),
  };
}

function checkNumber(field: { name: string; value: unknown; low: number; high: number }): number {
  const value = typeof field.value === 'string' ? Number(field.value) : field.value;
  if (typeof value === 'number' && Number.isInteger(value) && value >= field.low && value <= field.high) return value;
  throw refuse(field.name, field.value, `Use a whole number from ${field.low} to ${field.high}.`);
}

function readStartingPosition(properties: Readonly<Record<string, unknown>>): MappingSettings['startingPosition'] {
  const type = properties['StartingPosition'];
  switch (type) {
    case 'TRIM_HORIZON':
    case 'LATEST':
      return { type };
    case 'AT_TIMESTAMP': {
      const seconds = Number(properties['StartingPositionTimestamp']);
      if (Number.isFinite(seconds)) return { type, timestampMs: seconds * 1_000 };
      throw refuse(
        'StartingPositionTimestamp',
        properties['StartingPositionTimestamp'],
        'Use seconds since the epoch.',
      );
    }
    default:
      throw refuse('StartingPosition', type, 'Use TRIM_HORIZON, LATEST or AT_TIMESTAMP.');
  }
}

function readFilters(criteria: unknown): readonly string[] {
  if (criteria === undefined) return [];
  const filters = readList(isObject(criteria) ? criteria['Filters'] : undefined);
  if (filters.length > limits.filtersMax) {
    throw refuse('FilterCriteria', `${filters.length} filters`, `Use at most ${limits.filtersMax}.`);
  }
  return filters.map((filter) => {
    const pattern = isObject(filter) ? filter['Pattern'] : undefined;
    if (typeof pattern === 'string' && pattern.length <= limits.filterPatternLengthMax) return pattern;
    throw refuse('Pattern', pattern, `Use JSON text of at most ${limits.filterPatternLengthMax} characters.`);
  });
}

function refuse(name: string, value: unknown, advice: string): MillraceError {
  return new MillraceError(
    'SETTING_INVALID',
    `${name} of an event source mapping is ${JSON.stringify(value)}. ${advice}`,
  );
}

function readList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isTrue(value: unknown): boolean {
  return value === true || value === 'true';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
