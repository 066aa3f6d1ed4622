import { describe, expect, test } from 'vitest';
import { slotHashKey } from '#shared/engine/keys/key.ts';
import { encodeRowBatches } from '#shared/runtime/row-batch-codec.ts';
import { type LogPosition, logPosition } from '#shared/schemas/position.ts';
import type { RowBatch } from '#shared/schemas/row-file.ts';

function batch(block: number, rows: readonly object[]): RowBatch {
  return { view: 'hits', position: positionOf(block), lines: rows.map((row) => JSON.stringify(row)) };
}

function positionOf(block: number): LogPosition {
  return logPosition(1, String(block));
}

function encode(batches: readonly RowBatch[]) {
  return [...encodeRowBatches(batches, { slot: 3, slots: 16 })].map(({ bytes, ...entry }) => ({
    ...entry,
    bytes: bytes.length,
    rows: Buffer.from(bytes)
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  }));
}

describe('rows for a stream', () => {
  test('of several blocks share a record, and each says where it stands', () => {
    const records = encode([batch(7, [{ n: 1 }, { n: 2 }]), batch(8, []), batch(9, [{ n: 3 }])]);
    expect(records.map(({ rows }) => rows)).toEqual([
      [
        { n: 1, position: { slot: 3, log: positionOf(7), index: 0 } },
        { n: 2, position: { slot: 3, log: positionOf(7), index: 1 } },
        { n: 3, position: { slot: 3, log: positionOf(9), index: 0 } },
      ],
    ]);
  });

  test('are cut into records that Kinesis takes, all at the one place of their slot, and counted on', () => {
    // Each character takes three bytes.
    const rows = Array.from({ length: 50 }, (_, n) => ({ n, text: '€'.repeat(20_000) }));
    const records = encode([batch(7, rows)]);
    expect(records.length).toBeGreaterThan(2);
    for (const record of records) {
      expect(record.explicitHashKey).toBe(slotHashKey(3, 16).toString());
      expect(record.bytes).toBeLessThan(1024 * 1024);
    }
    expect(records.flatMap((record) => record.rows)).toMatchObject(
      rows.map(({ n }) => ({ n, position: { log: positionOf(7), index: n } })),
    );
  });

  test('make no record where there are none', () => {
    expect(encode([batch(7, [])])).toEqual([]);
  });
});
