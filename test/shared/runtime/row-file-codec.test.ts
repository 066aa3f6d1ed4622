import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, test } from 'vitest';
import { type CompiledStep, compile } from '#shared/engine/compile/compile.ts';
import type { Aggregator, AnyAggregator } from '#shared/pipeline/aggregator.ts';
import {
  collect,
  count,
  max,
  mean,
  minutes,
  pipeline,
  quantiles,
  ratio,
  s3,
  seconds,
  shareOfTotal,
  topK,
  tumbling,
  zScore,
} from '#shared/pipeline/index.ts';
import { encodeRowFile } from '#shared/runtime/row-file-codec.ts';
import { logStart } from '#shared/schemas/position.ts';
import type { RowFileFormat } from '#shared/schemas/row-file.ts';
import { type Reading, readings } from '../readings.ts';

/** An aggregator of a user who gave it the kind of a built-in one. */
const halves: Aggregator<Reading, number, number, number> = { ...count<Reading>(), result: (records) => records / 2 };

const aggregated = stepOf(
  readings()
    .keyBy(({ key }) => ({ key }))
    .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
    .aggregate('step', { leftTime: max((reading) => reading.amount), requests: count(), mean: mean(amountOf), halves })
    .derive({ rate: ratio('leftTime', 'requests') })
    .to(s3({ format: 'parquet' })),
);

const keyed = readings().keyBy(({ key }) => ({ key }));
const joined = stepOf(
  keyed
    .join(keyed, { within: [seconds(0), seconds(1)], allowedLateness: seconds(0) })
    .select('step', { left: { requests: amountOf }, right: { tags: (reading) => reading.tags ?? null } })
    .to(s3({ format: 'parquet' })),
);

const processed = stepOf(
  keyed
    .process('step', {
      emits: { note: 'string?', level: 'number?', isOpen: 'boolean', more: 'json' },
      columns: {},
      state: () => null,
      onEvent: () => {},
      ttl: minutes(1),
      allowedLateness: seconds(0),
    })
    .to(s3({ format: 'parquet' })),
);

const hour = { windowStart: '1969-12-31T23:00:00.000Z', windowEnd: '2026-11-21T00:00:00.000Z' };

describe('DuckDB reads a Parquet file', () => {
  test('with the types of the plan, whatever the values are', async () => {
    const row = { ...hour, key: 'a', leftTime: 5, requests: 2, mean: null, halves: 0.5, rate: null };
    expect(await typesIn(aggregated, [row])).toEqual({
      windowStart: 'TIMESTAMP',
      windowEnd: 'TIMESTAMP',
      key: 'VARCHAR',
      leftTime: 'DOUBLE',
      requests: 'BIGINT',
      mean: 'DOUBLE',
      halves: 'DOUBLE',
      rate: 'DOUBLE',
    });
    expect(await rowsIn(aggregated, [row])).toEqual([
      { ...row, windowStart: '1969-12-31 23:00:00', windowEnd: '2026-11-21 00:00:00', requests: '2' },
    ]);
  });

  test('of aggregated lists and objects: JSON, also where a file has none', async () => {
    const step = aggregatedBy({
      top_k: topK(({ key }) => key, { k: 1 }),
      quantiles: quantiles({ p50: 0.5 }, amountOf),
      collect: collect(({ key }) => key, { max: 2 }),
      z_score: zScore(amountOf),
    });
    const row = {
      ...hour,
      top_k: [{ count: 2, error: 0, value: '/' }],
      quantiles: { p50: 0.5 },
      collect: [],
      z_score: -3.5,
    };
    expect(await typesIn(step, [row])).toMatchObject({
      top_k: 'JSON',
      quantiles: 'JSON',
      collect: 'JSON',
      z_score: 'DOUBLE',
    });
    expect(await rowsIn(step, [row])).toMatchObject([
      { top_k: '[{"count":2,"error":0,"value":"/"}]', quantiles: '{"p50":0.5}', collect: '[]', z_score: -3.5 },
    ]);
    const none = { ...row, quantiles: null, z_score: null };
    expect(await typesIn(step, [none])).toMatchObject({ quantiles: 'JSON', z_score: 'DOUBLE' });
  });

  test('of ranked rows: with the ranks and what is derived, also where a file has none', async () => {
    const table = keyed
      .window(tumbling(minutes(1)), { allowedLateness: seconds(0), emit: 'on-close' })
      .aggregate('table', { requests: count() })
      .derive({ share: shareOfTotal('requests') });
    const { steps } = compile(pipeline('test', [table.top('step', 1, { by: 'share' }).to(s3({ format: 'parquet' }))]));
    const row = { ...hour, rank: 1, key: 'a', requests: 2, share: null };
    expect(await typesIn(steps.at(-1) as CompiledStep, [row])).toMatchObject({
      rank: 'BIGINT',
      requests: 'BIGINT',
      share: 'DOUBLE',
    });
  });

  test('of joined rows: times where there are some, and the rest by their values', async () => {
    const rows = [
      { key: true, leftTime: '2026-11-21T00:00:00.001Z', rightTime: null, requests: 1e300, tags: ['a'] },
      { key: false, leftTime: null, rightTime: '2026-11-21T00:00:00.002Z', requests: -0.5, tags: null },
    ];
    expect(await typesIn(joined, rows)).toEqual({
      key: 'BOOLEAN',
      leftTime: 'TIMESTAMP',
      rightTime: 'TIMESTAMP',
      requests: 'DOUBLE',
      tags: 'JSON',
    });
    expect(await rowsIn(joined, rows)).toMatchObject([
      { requests: 1e300, rightTime: null, tags: '["a"]' },
      { requests: -0.5, leftTime: null, tags: null },
    ]);
  });

  test('of processed rows: with the types that they were declared with', async () => {
    const row = { key: 'a', time: '2026-11-21T00:00:00.001Z', note: null, level: null, isOpen: true, more: 'text' };
    expect(await typesIn(processed, [row])).toEqual({
      key: 'VARCHAR',
      time: 'TIMESTAMP',
      note: 'VARCHAR',
      level: 'DOUBLE',
      isOpen: 'BOOLEAN',
      more: 'JSON',
    });
    expect(await rowsIn(processed, [row])).toEqual([{ ...row, time: '2026-11-21 00:00:00.001', more: '"text"' }]);
  });

  test('of whole numbers up to 64 bits, and of larger ones as they are', async () => {
    const step = aggregatedBy({ requests: count() });
    const row = { ...hour, key: 'a', requests: 2 ** 53 + 2 };
    const least = { ...row, requests: -(2 ** 63) };
    expect(await rowsIn(step, [row, least])).toMatchObject([
      { requests: '9007199254740994' },
      { requests: '-9223372036854775808' },
    ]);
    for (const requests of [2 ** 63, 0.5]) {
      expect(await typesIn(step, [row, { ...row, requests }])).toMatchObject({ requests: 'DOUBLE' });
      expect(await rowsIn(step, [row, { ...row, requests }])).toMatchObject(
        [row, { requests }].map(({ requests }) => ({ requests })),
      );
    }
  });

  test('of times before and after the years of four digits', async () => {
    const row = { windowStart: '-000001-12-31T00:00:00.000Z', windowEnd: '12345-01-02T03:04:05.006Z', key: 'a' };
    expect(await rowsIn(aggregated, [row])).toMatchObject([
      { windowStart: '0002-12-31 (BC) 00:00:00', windowEnd: '12345-01-02 03:04:05.006' },
    ]);
  });

  test('with the columns that all rows have, also where a file has none of them', async () => {
    const step = aggregatedBy({ requests: count(), most: max(amountOf) });
    expect(await rowsIn(step, [{ ...hour, key: 'a', other: 1 }])).toMatchObject([
      { key: 'a', requests: null, most: null, other: 1 },
    ]);
  });

  test('with key columns of any name and text', async () => {
    const rows = [
      { ...hour, constructor: 'a', toString: 'ä😀\u0000"', leftTime: 'soon', requests: 1 },
      { ...hour, toString: '', leftTime: '', requests: 2 },
    ];
    const step = aggregatedBy({ requests: count() });
    expect(await rowsIn(step, rows)).toMatchObject([
      { constructor: 'a', toString: 'ä😀\u0000"', leftTime: 'soon' },
      { constructor: null, toString: '', leftTime: '' },
    ]);
  });

  test('with values of several types as JSON', async () => {
    const rows = [1, '1', true, { a: [null] }].map((requests) => ({ key: 'a', requests }));
    const values = (await rowsIn(joined, rows)).map(({ requests }) => JSON.parse(String(requests)) as unknown);
    expect(values).toEqual([1, '1', true, { a: [null] }]);
  });
});

test('columns whose values are of another type are told of', () => {
  const told: unknown[] = [];
  const lines = [JSON.stringify({ ...hour, key: 'a', requests: 0.5, mean: null, leftTime: 1 })];
  const file = {
    view: 'step',
    day: '2026-11-21',
    slot: 0,
    position: logStart,
    part: 0,
    format: 'parquet',
    lines,
  } as const;
  encodeRowFile(aggregated, file, (column, type) => told.push([column, type]));
  expect(told).toEqual([['requests', 'integer']]);
});

test.each(['parquet', 'ndjson'] as const)('the same rows give the same bytes of %s', (format) => {
  const rows = [{ ...hour, key: 'a', requests: 1 }];
  expect(bytesOf(aggregated, format, rows)).toEqual(bytesOf(aggregated, format, rows));
});

test('NDJSON is a line for each row, as it was printed', () => {
  const rows = [
    { key: 'line\nbreak\ud800', n: 5e-324 },
    { key: '\u2028', n: null },
  ];
  const lines = gunzipSync(bytesOf(aggregated, 'ndjson', rows))
    .toString()
    .split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(rows);
});

function amountOf(reading: Reading): number {
  return reading.amount;
}

function aggregatedBy(aggregates: Readonly<Record<string, AnyAggregator<Reading>>>): CompiledStep {
  return stepOf(
    readings()
      .keyBy(({ key }) => ({ key }))
      .window(tumbling(minutes(1)), { allowedLateness: seconds(0) })
      .aggregate('step', aggregates)
      .to(s3({ format: 'parquet' })),
  );
}

function stepOf(output: Parameters<typeof pipeline>[1][number]): CompiledStep {
  return compile(pipeline('test', [output])).steps[0] as CompiledStep;
}

function bytesOf(step: CompiledStep, format: RowFileFormat, rows: readonly object[]): Uint8Array {
  const lines = rows.map((row) => JSON.stringify(row));
  return encodeRowFile(step, { view: 'step', day: '2026-11-21', slot: 0, position: logStart, part: 0, format, lines });
}

type Printed = Readonly<Record<string, unknown>>;

async function rowsIn(step: CompiledStep, rows: readonly object[]): Promise<readonly Printed[]> {
  return query(step, rows, (file) => `SELECT * FROM read_parquet('${file}')`);
}

async function typesIn(step: CompiledStep, rows: readonly object[]): Promise<Printed> {
  const columns = await query(step, rows, (file) => `DESCRIBE SELECT * FROM read_parquet('${file}')`);
  return Object.fromEntries(columns.map((column) => [String(column['column_name']), column['column_type']]));
}

async function query(
  step: CompiledStep,
  rows: readonly object[],
  sql: (file: string) => string,
): Promise<readonly Printed[]> {
  const file = join(mkdtempSync(join(tmpdir(), 'rows-')), 'rows.parquet');
  writeFileSync(file, bytesOf(step, 'parquet', rows));
  const connection = await (await DuckDBInstance.create()).connect();
  return (await connection.runAndReadAll(sql(file))).getRowObjectsJson() as readonly Printed[];
}
