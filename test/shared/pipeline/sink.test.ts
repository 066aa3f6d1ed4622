import { describe, expect, test } from 'vitest';
import {
  count,
  dynamodb,
  hours,
  kinesis,
  minutes,
  pipeline,
  s3,
  seconds,
  shareOfTotal,
  tumbling,
} from '#shared/pipeline/index.ts';
import { place } from '#shared/pipeline/placement.ts';
import { sinksOf, stepsOf, viewsOf } from '#shared/pipeline/plan.ts';
import type { SinkSpec } from '#shared/pipeline/sink.ts';
import { readings } from '../readings.ts';

function outputOf(
  sinks: readonly [SinkSpec, ...SinkSpec[]],
  { column = 'readings', ...change }: { readonly column?: string; readonly placement?: 'lambda' } = {},
) {
  return readings()
    .keyBy((reading) => ({ key: reading.key }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0), ...change })
    .aggregate('step', { [column]: count() })
    .to(...sinks);
}

const table = dynamodb({ ttl: hours(1) });

test('a view goes to one sink of each kind', () => {
  const { plan } = pipeline('test', [outputOf([table, s3({ format: 'parquet' }), kinesis()])]);
  const [step] = stepsOf(plan);
  expect(step && sinksOf(step)).toEqual({
    table: { kind: 'dynamodb', ttlMs: 3_600_000 },
    files: { kind: 's3', format: 'parquet', everyMs: 300_000, rowsMax: 100_000 },
    stream: { kind: 'kinesis' },
  });
});

test('only a view in the table can be queried', () => {
  expect(viewsOf(pipeline('test', [outputOf([table])]).plan)).toEqual(['step']);
  expect(viewsOf(pipeline('test', [outputOf([kinesis()])]).plan)).toEqual([]);
});

describe('refused is', () => {
  test.each<readonly [string, readonly [SinkSpec, ...SinkSpec[]], string | undefined, RegExp]>([
    ['a second sink of a kind', [table, table], undefined, /two sinks of kind dynamodb/],
    ['a table that forgets at once', [dynamodb({ ttl: seconds(0) })], undefined, /ttl is 0 ms/],
    ['a file every moment', [s3({ format: 'ndjson', every: seconds(0) })], undefined, /every is 0 ms/],
    ['a file without rows', [s3({ format: 'ndjson', rowsMax: 0 })], undefined, /rowsMax is 0/],
    [
      'a format that is not known',
      [s3({ format: 'xml' as 'ndjson' })],
      undefined,
      /the format of files is "xml"; use .ndjson. or .parquet./,
    ],
    ['a column with the name of the partition', [s3({ format: 'ndjson' })], 'date', /a column date/],
    ['one that is the same but for the case', [s3({ format: 'ndjson' })], 'Date', /a column Date/],
  ])('%s', (_, sinks, column, message) => {
    expect(() => pipeline('test', [outputOf(sinks, column === undefined ? {} : { column })])).toThrow(message);
  });

  test('a share of a total that nobody knows', () => {
    const shared = (...sinks: readonly [SinkSpec, ...SinkSpec[]]) =>
      readings()
        .keyBy((reading) => ({ key: reading.key }))
        .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
        .aggregate('step', { readings: count() })
        .derive({ share: shareOfTotal('readings') })
        .to(...sinks);
    expect(() => pipeline('test', [shared(kinesis())])).toThrow('share needs the total over all keys');
    expect(() => pipeline('test', [shared(kinesis(), table)])).not.toThrow();
  });

  test('to place a step with files on Lambda', () => {
    const { step } = outputOf([table, s3({ format: 'ndjson' })], { placement: 'lambda' });
    expect(place(step)).toMatchObject({ refusal: expect.stringContaining('files') });
  });
});

test('a step whose rows go out is placed on the worker, and the reason says so', () => {
  expect(place(outputOf([table]).step).placement).toBe('lambda');
  expect(place(outputOf([table, kinesis()]).step)).toMatchObject({
    placement: 'fargate',
    reason: expect.stringContaining('a stream'),
  });
});
