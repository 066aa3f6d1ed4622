import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryStage, type StateEntry } from '#shared/engine/slots/memory-stage.ts';
import { decodePart, encodeParts } from '#shared/runtime/snapshot-codec.ts';
import { restoreSlot, saveSlot } from '#shared/runtime/snapshots.ts';
import { type Checkpoint, stateVersion } from '#shared/schemas/state.ts';
import { placed } from '../engine/slots/blocks.ts';
import { finalsOf, pipeline, stores } from './stages.ts';

const checkpoint = new MemoryStage(pipeline, 0).checkpoint();
const expected = { name: 'folder/object', kind: 'delta', index: 0, checkpoint } as const;

function partsOf(entries: Iterable<StateEntry>, partCharsMax = 1_000_000): readonly Uint8Array[] {
  return [...encodeParts({ kind: 'delta', log: checkpoint, entries }, partCharsMax)];
}

const [part = new Uint8Array()] = partsOf([['tens', [1, 'two']]]);

test('a part is read as it was written', () => {
  expect(decodePart(part, expected)).toEqual({ log: checkpoint, entries: [['tens', [1, 'two']]] });
});

test('a save without entries is one part, with the log', () => {
  expect(partsOf([]).map((one) => decodePart(one, expected))).toEqual([{ log: checkpoint, entries: [] }]);
});

test('a save is closed and begun anew at the length of a part, and the first part alone has the log', () => {
  const parts = partsOf(
    ['a', 'b', 'c'].map((text): StateEntry => ['tens', text.repeat(90)]),
    150,
  );
  const decoded = parts.map((one, index) => decodePart(one, { ...expected, index }));
  expect(decoded.map(({ log, entries }) => [log !== undefined, entries.length])).toEqual([
    [true, 2],
    [false, 1],
  ]);
});

test('entries are asked for part by part', () => {
  let made = 0;
  function* entries(): Iterable<StateEntry> {
    for (; made < 1_000; made += 1) yield ['tens', 'x'.repeat(100)];
  }
  const parts = encodeParts({ kind: 'delta', log: checkpoint, entries: entries() }, 1_000)[Symbol.iterator]();
  parts.next();
  expect(made).toBeLessThan(20);
});

test('a part cut short anywhere is BLOB_CORRUPT and named', () => {
  for (let length = 0; length < part.length; length += 1) {
    expect(() => decodePart(part.subarray(0, length), expected)).toThrow(/BLOB_CORRUPT: the object folder\/object /);
  }
});

test('a part with one bit turned over is BLOB_CORRUPT and named', () => {
  fc.assert(
    fc.property(fc.nat(part.length * 8 - 1), (bit) => {
      const bytes = Uint8Array.from(part);
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => decodePart(bytes, expected)).toThrow(/BLOB_CORRUPT: the object folder\/object /);
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  { claim: 'another part', kind: 'delta', index: 1 },
  { claim: 'another kind', kind: 'base', index: 0 },
] as const)('$claim under the name is BLOB_CORRUPT', ({ kind, index }) => {
  expect(() => decodePart(part, { ...expected, kind, index })).toThrow(`is not part ${index} of a ${kind}`);
});

/** A part as a host of another version writes it. */
function ofVersion(version: number, written: Uint8Array): Uint8Array {
  const bytes = Buffer.from(written);
  bytes.writeUInt8(version, 4);
  bytes.writeUInt32BE(crc32(bytes.subarray(14), crc32(bytes.subarray(0, 10))), 10);
  return bytes;
}

test('a part of a later version says what is missing', () => {
  expect(() => decodePart(ofVersion(stateVersion + 1, part), expected)).toThrow(
    `STATE_UNREADABLE: the object folder/object holds state of version ${stateVersion + 1}`,
  );
});

/** What was stored before there were deltas. */
const stored = JSON.parse(readFileSync(new URL('./fixtures/state-1.json', import.meta.url), 'utf8')) as {
  readonly checkpoint: Checkpoint & { readonly snapshot: string };
  readonly blob: string;
};

async function storesOfVersion1() {
  const options = { ...stores(), owner: 'b' };
  // The hash of a plan may be made in another way since.
  const written = { ...stored.checkpoint, plan: pipeline.planHash };
  const condition = { kind: 'unchanged', position: undefined } as const;
  await options.state.writeCheckpoint({ stage: 'window', slot: 0, checkpoint: written, condition });
  await options.blobs.put(written.snapshot, Buffer.from(stored.blob, 'base64'));
  return options;
}

/** The final rows that are still to come. */
const finals = [
  'slides key=a [10, 20) 12',
  'slides key=b [20, 30) 25 26',
  'slides key=b [25, 35) 25 26',
  'tens key=a [10, 20) 12',
  'tens key=b [20, 30) 25 26',
  'visits key=a [12, 22) 12',
  'visits key=b [25, 36) 25 26',
];

function finish(stage: MemoryStage): readonly string[] {
  stage.apply(placed(pipeline, { at: 60, to: 60, watermark: 1_000 }));
  return stage
    .takeEmission()
    .rows.filter((row) => row.final)
    .map((row) => `${row.view} ${row.key} [${row.windowStartMs}, ${row.windowEndMs}) ${row.columns['amounts']}`)
    .sort();
}

test('state of version 1 is read', async () => {
  const options = await storesOfVersion1();
  const { stage } = await restoreSlot(options, 0);
  expect([stage.reader.log.position, stage.reader.counts.counted]).toEqual([stored.checkpoint.position, 5]);
  expect(finish(stage)).toEqual(finals);
});

test('state of version 1 is replaced by a base, and goes', async () => {
  const options = await storesOfVersion1();
  const { stage, snapshot } = await restoreSlot(options, 0);
  const saved = await saveSlot(options, stage, snapshot);
  expect(saved.snapshot.manifest).toMatchObject({ epoch: 1, chain: { deltas: [] } });
  expect(await options.blobs.get(stored.checkpoint.snapshot)).toBeUndefined();
  expect(finish((await restoreSlot(options, 0)).stage)).toEqual(finals);
});

test('state of version 1 that is torn or gone is STATE_UNREADABLE and named', async () => {
  for (const bytes of [Buffer.from(stored.blob, 'base64').subarray(0, 99), undefined]) {
    const options = await storesOfVersion1();
    await options.blobs.remove(stored.checkpoint.snapshot);
    if (bytes !== undefined) await options.blobs.put(stored.checkpoint.snapshot, bytes);
    await expect(restoreSlot(options, 0)).rejects.toMatchObject({
      code: 'STATE_UNREADABLE',
      message: expect.stringContaining(stored.checkpoint.snapshot),
    });
  }
});

test.each([2, 3])('state of version %i is read, its base and its delta', async (version) => {
  const {
    checkpoint,
    blobs,
    finals: expected,
  } = JSON.parse(readFileSync(new URL(`./fixtures/state-${version}.json`, import.meta.url), 'utf8')) as {
    readonly checkpoint: Checkpoint;
    readonly blobs: Readonly<Record<string, string>>;
    readonly finals: unknown;
  };
  const options = { ...stores(), owner: 'b' };
  const condition = { kind: 'unchanged', position: undefined } as const;
  await options.state.writeCheckpoint({ stage: 'window', slot: 0, checkpoint, condition });
  // The hash of a plan may be made in another way since, and the first part has it in its log.
  const made = { ...options, pipeline: { ...pipeline, planHash: checkpoint.plan } };
  for (const [name, bytes] of Object.entries(blobs)) await options.blobs.put(name, Buffer.from(bytes, 'base64'));
  const { stage, snapshot } = await restoreSlot(made, 0);
  await saveSlot(made, stage, snapshot);
  for (const one of [stage, (await restoreSlot(made, 0)).stage])
    expect(finalsOf(one, [], made.pipeline)).toEqual(expected);
});
