import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CompiledPipeline, type CompiledRoute, compile } from '#shared/engine/compile/compile.ts';
import { slotOf } from '#shared/engine/keys/key.ts';
import { KeyDictionary } from '#shared/engine/keys/key-dictionary.ts';
import { SlotReader } from '#shared/engine/slots/slot.ts';
import {
  type Chunk,
  type ChunkLimits,
  ChunkPacker,
  chunkLimits,
  tickBlocks,
} from '#shared/engine/transform/exchange.ts';
import type { StagedOutput } from '#shared/engine/transform/transform.ts';
import { milliseconds, tumbling } from '#shared/pipeline/index.ts';
import type { Block } from '#shared/schemas/block.ts';
import {
  compareRecordPositions,
  logPosition,
  outputsPerRecordMax,
  type RecordPosition,
  subMax,
} from '#shared/schemas/position.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { columns, pipelineOf, readings, sink } from '../../readings.ts';

const slots = 4;
const output = readings({ outOfOrderness: 3 })
  .keyBy((reading) => ({ key: reading.key }))
  .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
  .aggregate('step', columns)
  .to(sink);
const pipeline: CompiledPipeline = compile(pipelineOf([output], { slots }));
const [route] = pipeline.routes.values();

function packer(limits: Partial<ChunkLimits> = {}): ChunkPacker {
  const roster = { a: [] };
  return new ChunkPacker({ pipeline, source: 'readings', shard: 'a', roster, limits: { ...chunkLimits, ...limits } });
}

function staged(key: string, ...values: readonly unknown[]): StagedOutput {
  const dictionary = new KeyDictionary(slots, new Set());
  return { route: route as CompiledRoute, key: dictionary.find({ key }), values: [...values, 1] };
}

interface TestRecord {
  readonly timeMs: number;
  readonly keys: readonly string[];
}

/** Raw records, each of some lines, in the order in which a batch has them. */
function pack(into: ChunkPacker, rawRecords: readonly (readonly TestRecord[])[]): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (const [index, lines] of rawRecords.entries()) {
    const sequence = String(index + 1);
    for (const [line, { timeMs, keys }] of lines.entries()) {
      const outputs = keys.map((key) => staged(key, timeMs));
      into.add(sequence, line, timeMs, outputs, outputs.length, outputs.length);
    }
    into.complete(sequence);
    chunks.push(...into.take());
  }
  return [...chunks, ...into.finish()];
}

/** A key of the slot. */
function keyOfSlot(slot: number): string {
  for (let number = 0; ; number += 1) if (slotOf(`key=k${number}`, slots) === slot) return `k${number}`;
}

/** `sequence/sub key` of every output of the blocks, in their order. */
function outputsOf(blocks: readonly Block[]): readonly string[] {
  return blocks.flatMap((block) =>
    block.routes.flatMap((one) =>
      one.sub.map((sub, index) => `${one.sequences[one.sequence[index] ?? 0]}/${sub} ${one.keys[one.key[index] ?? 0]}`),
    ),
  );
}

const rawRecords = fc.array(
  fc.array(
    fc.record({
      timeMs: fc.integer({ min: -50, max: 50 }),
      keys: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  { maxLength: 8 },
);
const limits = fc.record({
  outputsPerChunkMax: fc.integer({ min: 1, max: 6 }),
  blockBytesMax: fc.integer({ min: 600, max: 1_500 }),
});

describe('any records, cut anywhere', () => {
  test('lose no output and double none', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(rawRecords, limits, (records, small) => {
        const all = records.flatMap((lines, index) =>
          lines.flatMap(({ keys }, line) =>
            keys.map((key, at) => `${index + 1}/${line * outputsPerRecordMax + at} key=${key}`),
          ),
        );
        expect([...outputsOf(pack(packer(small), records).flatMap((chunk) => chunk.blocks))].sort()).toEqual(
          all.sort(),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test('give chunks that follow each other: all outputs of one stand before all of the next', {
    timeout: fuzzTimeoutMs,
  }, () => {
    fc.assert(
      fc.property(rawRecords, limits, (records, small) => {
        let before: RecordPosition = ['0', subMax];
        for (const { blocks, to } of pack(packer(small), records)) {
          for (const position of positionsOf(blocks)) {
            expect(compareRecordPositions(position, before)).toBeGreaterThan(0);
            expect(compareRecordPositions(position, to)).toBeLessThanOrEqual(0);
          }
          before = to;
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('give blocks whose watermark covers what stands before the next output, and no more', {
    timeout: fuzzTimeoutMs,
  }, () => {
    fc.assert(
      fc.property(rawRecords, limits, (records, small) => {
        const all = records.flatMap((lines, index) =>
          lines.map(({ timeMs, keys }, line) => ({
            timeMs,
            first: [String(index + 1), line * outputsPerRecordMax] as RecordPosition,
            hasOutputs: keys.length > 0,
          })),
        );
        for (const { blocks, to } of pack(packer(small), records)) {
          const isWithin = ({ first }: { readonly first: RecordPosition }): boolean =>
            compareRecordPositions(first, to) <= 0;
          // Rule 3. A record without outputs between `to` and the next output may be covered or not: nothing tells.
          const next = all.findIndex((record) => record.hasOutputs && !isWithin(record));
          const reach = (some: typeof all): number => Math.max(...some.map(({ timeMs }) => timeMs)) - 3;
          const least = reach(all.filter(isWithin));
          const most = reach(next === -1 ? all : all.slice(0, next));
          for (const { origin } of blocks) {
            expect(origin?.watermarkMs).toBeGreaterThanOrEqual(least);
            expect(origin?.watermarkMs).toBeLessThanOrEqual(most);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('are counted once by a slot that reads both a cut and another cut of them', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(rawRecords, limits, limits, fc.nat(8), (records, first, second, diesAfter) => {
        const tried = pack(packer(first), records)
          .slice(0, diesAfter)
          .flatMap((chunk) => chunk.blocks);
        const again = pack(packer(second), records).flatMap((chunk) => chunk.blocks);
        const seen: string[] = [];
        for (let slot = 0; slot < slots; slot += 1) {
          const reader = new SlotReader(pipeline, 'aggregate', slot, undefined);
          for (const [index, block] of [...tried, ...again].filter((one) => one.slot === slot).entries())
            reader.apply({ block, position: logPosition(1, String(index + 1)), arrivalMs: 0 }, (_, { key }) => {
              seen.push(key.text);
              return true;
            });
        }
        const all = records.flatMap((lines) => lines.flatMap(({ keys }) => keys.map((key) => `key=${key}`)));
        expect(seen.sort()).toEqual(all.sort());
      }),
      { numRuns: 2_000 },
    );
  });
});

function positionsOf(blocks: readonly Block[]): readonly RecordPosition[] {
  return blocks.flatMap((block) =>
    block.routes.flatMap((one) =>
      one.sub.map((sub, index): RecordPosition => [one.sequences[one.sequence[index] ?? 0] ?? '', sub]),
    ),
  );
}

describe('a chunk', () => {
  test('has a block for each slot that has outputs, and no other', () => {
    const keys = [keyOfSlot(1), keyOfSlot(3), keyOfSlot(1)];
    const [chunk] = pack(packer(), [[{ timeMs: 1, keys }]]);
    expect(chunk?.blocks.map((block) => block.slot).sort()).toEqual([1, 3]);
  });

  test('that ends with a complete record ends behind all of it', () => {
    const [chunk] = pack(packer(), [[{ timeMs: 1, keys: ['a'] }]]);
    expect([chunk?.to, chunk?.completed]).toEqual([['1', subMax], '1']);
  });

  test('that ends in the middle of a record ends at its last output, and completes the record before alone', () => {
    const chunks = pack(packer({ outputsPerChunkMax: 2 }), [
      [{ timeMs: 1, keys: ['a'] }],
      [{ timeMs: 2, keys: ['a', 'a'] }],
    ]);
    expect(chunks.map(({ to, completed }) => [to, completed])).toEqual([
      [['2', 0], '1'],
      [['2', subMax], '2'],
    ]);
  });

  test('that is cut before a record does not cover the time of that record', () => {
    const chunks = pack(packer({ outputsPerChunkMax: 1 }), [
      [{ timeMs: 1, keys: ['a'] }],
      [{ timeMs: 100, keys: ['a'] }],
    ]);
    expect(chunks.map(({ blocks }) => blocks[0]?.origin?.watermarkMs)).toEqual([-2, 97]);
  });

  test('covers the time of a record that was filtered', () => {
    const [chunk] = pack(packer(), [[{ timeMs: 1, keys: ['a'] }], [{ timeMs: 100, keys: [] }]]);
    expect(chunk?.blocks[0]?.origin?.watermarkMs).toBe(97);
  });

  test('covers what a producer promised', () => {
    const into = packer();
    pack(into, [[{ timeMs: 1, keys: [] }]]);
    into.promise(500);
    into.complete('2');
    expect(into.heartbeats().map((block) => block.origin?.watermarkMs)).toEqual([500, 500, 500, 500]);
  });

  test('is cut when a block would be too large, and every output is within the limit', () => {
    const long = 'x'.repeat(100);
    const blocks = pack(
      packer({ blockBytesMax: 2_000 }),
      Array.from({ length: 9 }, () => [{ timeMs: 1, keys: [long] }]),
    );
    expect(blocks.length).toBeGreaterThan(1);
    for (const { blocks: ofChunk } of blocks)
      for (const block of ofChunk) expect(JSON.stringify(block.routes).length).toBeLessThanOrEqual(2_000);
  });
});

describe('sizeOf', () => {
  test('is never below what the output takes', () => {
    const value = fc.oneof(fc.string({ unit: 'binary' }), fc.double(), fc.boolean(), fc.constant(null), fc.jsonValue());
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), value, (key, selected) => {
        const json = JSON.stringify([`key=${key}`, selected]);
        expect(ChunkPacker.sizeOf(staged(key, selected))).toBeGreaterThanOrEqual(new TextEncoder().encode(json).length);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('heartbeats', () => {
  test('go to the slots that the last chunk did not reach', () => {
    const into = packer();
    pack(into, [[{ timeMs: 1, keys: [keyOfSlot(2)] }]]);
    expect(into.heartbeats().map((block) => block.slot)).toEqual([0, 1, 3]);
  });

  test('spare a slot whose last block reaches records without outputs at the end', () => {
    const into = packer({ outputsPerChunkMax: 1 });
    pack(into, [[{ timeMs: 1, keys: [keyOfSlot(2), keyOfSlot(2)] }], [{ timeMs: 9, keys: [] }]]);
    expect(into.heartbeats().map((block) => block.slot)).toEqual([0, 1, 3]);
  });

  test('go to every slot when the batch had no outputs', () => {
    const into = packer();
    pack(into, [[{ timeMs: 1, keys: [] }]]);
    expect(into.heartbeats().map((block) => [block.slot, block.origin?.to, block.origin?.watermarkMs])).toEqual(
      [0, 1, 2, 3].map((slot) => [slot, ['1', subMax], -2]),
    );
  });

  test('are none when there was nothing', () => {
    expect(packer().heartbeats()).toEqual([]);
  });

  test('of a batch without any event time have no watermark', () => {
    const into = packer();
    into.complete('1');
    expect(into.heartbeats()[0]?.origin?.watermarkMs).toBeNull();
  });
});

test('a tick goes to every slot and has no origin', () => {
  expect(tickBlocks(pipeline).map(({ slot, origin, routes }) => [slot, origin, routes])).toEqual(
    [0, 1, 2, 3].map((slot) => [slot, undefined, []]),
  );
});
