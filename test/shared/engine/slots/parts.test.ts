import { describe, expect, test } from 'vitest';
import { createMemoryRunStore } from '#shared/adapters/memory/run-store.ts';
import { compile } from '#shared/engine/compile/compile.ts';
import { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import { Overflow } from '#shared/engine/state/overflow.ts';
import {
  type AnyOutput,
  countWindow,
  everyRecords,
  global,
  kinesis,
  milliseconds,
  session,
  tumbling,
} from '#shared/pipeline/index.ts';
import type { RunStore } from '#shared/ports/run-store.ts';
import { columns, pipelineOf, readings, sink } from '../../readings.ts';
import { placed } from './blocks.ts';

const keyCount = 300;
const keyed = readings().keyBy((reading) => ({ key: reading.key }));
const late = { allowedLateness: milliseconds(0), placement: 'fargate' } as const;

/** A function of which the third record of three throws. */
function turns(emits: boolean) {
  return keyed.process('step', {
    columns: { amount: (reading) => reading.amount },
    emits: { amount: 'number' },
    state: () => 0,
    onEvent: ({ amount }, { state, emit }) => {
      state.set(amount);
      if (amount % 3 === 2) throw new Error(`no ${amount}`);
      if (emits) emit({ amount });
    },
    ttl: milliseconds(5),
    allowedLateness: milliseconds(0),
  });
}

const outputs: Readonly<Record<string, AnyOutput>> = {
  'windows that keys share': keyed
    .window(tumbling(milliseconds(1_000)), { ...late, emit: 'on-close' })
    .aggregate('step', columns)
    .to(sink),
  sessions: keyed
    .window(session({ gap: milliseconds(10) }), { ...late, early: { every: milliseconds(50) } })
    .aggregate('step', columns)
    .to(sink),
  'sessions with a greatest length': keyed
    .window(session({ gap: milliseconds(10), maxLength: milliseconds(20) }), {
      ...late,
      early: { every: milliseconds(50) },
    })
    .aggregate('step', columns)
    .to(sink),
  'windows of n records': keyed.window(countWindow(1), late).aggregate('step', columns).to(sink),
  'global windows': keyed
    .window(global({ trigger: everyRecords(2) }), late)
    .aggregate('step', columns)
    .to(sink),
  'what has no window': keyed.aggregate('step', columns, { refresh: milliseconds(50) }).to(sink),
  'lone records of a join': keyed
    .join(keyed, { within: [milliseconds(1), milliseconds(15)], kind: 'full', allowedLateness: milliseconds(0) })
    .select('step', { left: { l: (reading) => reading.amount }, right: { r: (reading) => reading.amount } })
    .to(sink),
  'records of a join that give no row': keyed
    .join(keyed, { within: [milliseconds(1), milliseconds(15)], kind: 'inner', allowedLateness: milliseconds(0) })
    .select('step', { left: { l: (reading) => reading.amount }, right: { r: (reading) => reading.amount } })
    .to(sink),
  functions: turns(true).to(sink),
  'functions that give no row': turns(false).to(sink),
  'functions whose rows go into a stream': turns(true).to(kinesis()),
};

interface Part {
  readonly rows: readonly string[];
  /** Distinct keys that were looked up on the disk. */
  readonly lookedUp: number;
  readonly threw: number;
}

/** What a slot shows, part by part, whose keys are all on the disk when blocks have them closed and shown. */
class TestSlot {
  readonly parts: Part[] = [];
  readonly stage: MemoryStage;
  readonly #lookedUp = new Set<string>();
  #at = 0;
  readonly #pipeline;

  constructor(output: AnyOutput, keysAtOnceMax?: number) {
    this.#pipeline = compile(pipelineOf([output]));
    const overflow = new Overflow(this.#watched(createMemoryRunStore()), { bytesMax: 1e9 });
    this.stage = new MemoryStage(this.#pipeline, 0, { overflow, keysAtOnceMax });
  }

  /** Two records of each key, in one block. */
  fill(): void {
    // The clock begins here, not with the records.
    this.apply(0, 1);
    this.#at += 1;
    const keys = Array.from({ length: 2 * keyCount }, (_, index) => index);
    this.stage.apply(
      placed(this.#pipeline, {
        at: this.#at,
        arrival: 1,
        watermark: 0,
        outputs: keys.map((key) => ({
          record: this.#at * 10_000 + key,
          at: 100 + ((key * 7) % keyCount),
          amount: key,
          key: `k${key % keyCount}`,
        })),
      }),
    );
    this.show();
    this.stage.spill();
    this.stage.work(1_000_000);
    this.parts.length = 0;
  }

  apply(watermark: number, arrival: number): void {
    this.#at += 1;
    this.stage.apply(placed(this.#pipeline, { at: this.#at, to: this.#at * 10_000, arrival, watermark }));
  }

  show(): void {
    const { stage } = this;
    const emission = stage.takeEmission();
    do {
      const lines = emission.batches.flatMap((batch) => batch.lines);
      const rows = [...emission.rows.map((row) => JSON.stringify(row)), ...lines];
      const { threw = 0 } = stage.checkpoint().steps['step'] ?? {};
      this.parts.push({ rows, lookedUp: this.#lookedUp.size, threw });
      this.#lookedUp.clear();
    } while (stage.showMore());
  }

  /** All keys are shown by the clock, then closed. */
  static run(output: AnyOutput, keysAtOnceMax?: number): TestSlot {
    const slot = new TestSlot(output, keysAtOnceMax);
    slot.fill();
    slot.apply(105, 1_000);
    slot.show();
    slot.apply(1_000_000, 2_000);
    slot.show();
    return slot;
  }

  #watched(store: RunStore): RunStore {
    return {
      begin: (isSearched) => {
        const writer = store.begin(isSearched);
        const end = () => {
          const run = writer.end();
          return Object.assign(Object.create(run), {
            get: (key: string) => {
              this.#lookedUp.add(key);
              return run.get(key);
            },
          });
        };
        return { add: writer.add, discard: writer.discard, end };
      },
    };
  }
}

describe.each(Object.entries(outputs))('%s', (name, output) => {
  test('are closed and shown some keys at a time', () => {
    const { parts } = TestSlot.run(output, 20);
    expect(parts.length).toBeGreaterThan(keyCount / 20);
    for (const { lookedUp } of parts) expect(lookedUp).toBeLessThanOrEqual(20);
    if (name !== 'windows that keys share')
      expect(parts.reduce((sum, { lookedUp }) => sum + lookedUp, 0)).toBeGreaterThanOrEqual(keyCount);
    // What a view's stream is given is whole.
    if (!name.endsWith('stream')) for (const { rows } of parts) expect(rows.length).toBeLessThanOrEqual(40);
  });

  test('have the same rows in the same order, however many keys are looked at in one go', () => {
    const [whole, ...others] = [undefined, 1, 20].map((keysAtOnceMax) => {
      const { parts, stage } = TestSlot.run(output, keysAtOnceMax);
      return { rows: parts.flatMap(({ rows }) => rows), checkpoint: stage.checkpoint(), letters: stage.reader.letters };
    });
    for (const other of others) expect(other).toEqual(whole);
    expect(whole?.checkpoint.counts.counted).toBe(2 * keyCount);
  });
});

test('what throws in a later part is counted, and has its letter, with that part', () => {
  const { parts, stage } = TestSlot.run(outputs['functions'] as AnyOutput, 20);
  const counts = parts.map(({ threw }) => threw);
  expect(new Set(counts).size).toBeGreaterThan(10);
  expect(counts.at(-1)).toBe((2 * keyCount) / 3);
  expect(stage.reader.letters).toHaveLength((2 * keyCount) / 3);
});

test('before all is shown the slot takes no block and is not saved', () => {
  const slot = new TestSlot(outputs['functions'] as AnyOutput, 20);
  slot.fill();
  slot.apply(1_000_000, 2_000);
  expect(slot.stage.hasMoreToShow).toBe(true);
  expect(() => slot.apply(1_000_001, 2_001)).toThrow('stands still');
  expect(() => slot.stage.beginSave('base')).toThrow('stands still');
  slot.stage.takeEmission();
  slot.stage.showMore();
  expect(() => slot.apply(1_000_001, 2_001)).toThrow('stands still');
  expect(() => slot.stage.beginSave('delta')).toThrow('stands still');
  while (slot.stage.showMore());
  slot.apply(1_000_001, 2_001);
  expect([...slot.stage.beginSave('base').entries]).toEqual([]);
});
