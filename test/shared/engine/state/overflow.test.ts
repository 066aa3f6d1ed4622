import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMemoryRunStore, type MemoryRunStore } from '#shared/adapters/memory/run-store.ts';
import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import { MemoryStage, type Save, type SaveKind, type StatePart } from '#shared/engine/slots/memory-stage.ts';
import type { PlacedBlock } from '#shared/engine/slots/slot.ts';
import { Overflow, type OverflowLimits } from '#shared/engine/state/overflow.ts';
import {
  count,
  countDistinct,
  countWindow,
  cumulative,
  everyRecords,
  everyTime,
  global,
  mean,
  milliseconds,
  quantile,
  session,
  shareOfTotal,
  sliding,
  sum,
  tumbling,
  type WindowSpec,
} from '#shared/pipeline/index.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { amounts, amountsThatLeave, columns, pipelineOf, type Reading, readings, sink } from '../../readings.ts';
import { placed, type TestOutput } from '../slots/blocks.ts';

const keyed = readings().keyBy((reading) => ({ key: reading.key }));
const amount = (reading: Reading): number => reading.amount;
const common = { allowedLateness: milliseconds(3), placement: 'fargate' } as const;
const aligned = (window: Extract<WindowSpec, { kind: 'tumbling' | 'sliding' }>, refresh: number) =>
  keyed.window(window, { ...common, refresh: milliseconds(refresh) });

/** Every operator of the worker, with windows that live long beside short ones. */
const pipeline = compile(
  pipelineOf([
    keyed
      .window(session({ gap: milliseconds(10) }), { ...common, early: { every: milliseconds(4) } })
      .aggregate('visits', columns)
      .to(sink),
    keyed
      .window(session({ gap: milliseconds(200) }), {
        allowedLateness: milliseconds(0),
        early: { every: milliseconds(20), time: 'event' },
      })
      .aggregate('long-visits', { amounts, middle: quantile(0.5, amount) })
      .to(sink),
    aligned(tumbling(milliseconds(10)), 7)
      .aggregate('tens', { amounts, total: sum(amount) })
      .derive({ share: shareOfTotal('total') })
      .to(sink),
    keyed
      .window(tumbling(milliseconds(300)), { ...common, emit: 'on-close' })
      .aggregate('hundreds', { amounts, kinds: countDistinct(amount) })
      .to(sink),
    aligned(sliding(milliseconds(40), { every: milliseconds(10) }), 20)
      .aggregate('slides', columns)
      .to(sink),
    keyed
      .join(keyed, { within: [milliseconds(-5), milliseconds(15)], kind: 'full', allowedLateness: milliseconds(2) })
      .select('pairs', { left: { l: amount }, right: { r: amount } })
      .to(sink),
    keyed
      .process('turns', {
        columns: { amount },
        emits: { sum: 'number' },
        state: () => ({ sum: 0 }),
        onEvent: ({ amount: added }, context) => {
          const sum = context.state.get().sum + added;
          context.state.set({ sum });
          if (added % 3 === 0) context.setTimer(context.timeMs + 20);
          context.emit({ sum });
        },
        onTimer: (_, context) => context.emit({ sum: -context.state.get().sum }),
        ttl: milliseconds(60),
        allowedLateness: milliseconds(2),
      })
      .to(sink),
  ]),
);

/** Windows of a key's records in order, windows that share many slices, and what has no window. */
const others = compile(
  pipelineOf([
    keyed
      .window(session({ gap: milliseconds(10), maxLength: milliseconds(25) }), {
        ...common,
        early: { every: milliseconds(5), time: 'event' },
      })
      .aggregate('capped', columns)
      .to(sink),
    keyed
      .window(countWindow(3, { incomplete: 'emit', ttl: milliseconds(40) }), {
        ...common,
        early: { every: milliseconds(4) },
      })
      .aggregate('threes', columns)
      .to(sink),
    keyed
      .window(global({ trigger: [everyRecords(3), everyTime(milliseconds(10))], ttl: milliseconds(30) }), common)
      .aggregate('ever', columns)
      .to(sink),
    keyed
      .window(global({ trigger: [everyRecords(3), everyTime(milliseconds(4), { time: 'arrival' })] }), common)
      .aggregate('by-arrival', columns)
      .to(sink),
    aligned(sliding(milliseconds(40), { every: milliseconds(5) }), 20)
      .aggregate('leaving', { n: count(), amounts: amountsThatLeave, mean: mean(amount) })
      .to(sink),
    keyed
      .window(cumulative(milliseconds(60), { step: milliseconds(10) }), { ...common, emit: 'on-close' })
      .aggregate('so-far', columns)
      .to(sink),
    keyed
      .window(sliding(milliseconds(200), { every: milliseconds(10) }), { ...common, emit: 'on-close' })
      .aggregate('long-slides', columns)
      .to(sink),
    keyed.aggregate('running', columns, { refresh: milliseconds(0) }).to(sink),
    keyed
      .join(keyed, { within: 'ever' })
      .select('all-pairs', { left: { l: amount }, right: { r: amount } })
      .to(sink),
  ]),
);

/** A stage, what was saved of it, and the rows that it has shown. */
class TestStage {
  readonly store: MemoryRunStore = createMemoryRunStore();
  stage: MemoryStage;
  readonly rows: string[] = [];
  #chain: readonly { readonly part: StatePart; readonly rowCount: number; readonly applied: number }[] = [];
  #blocks: PlacedBlock[] = [];
  /** A base that is being read while the stage goes on. */
  #base:
    | {
        readonly save: Save;
        readonly entries: Iterator<StatePart['entries'][number]>;
        readonly read: StatePart['entries'][number][];
      }
    | undefined;

  readonly #pipeline: CompiledPipeline;
  readonly #keysAtOnceMax: number | undefined;

  constructor(of: CompiledPipeline, limits: OverflowLimits | undefined, keysAtOnceMax?: number) {
    this.#pipeline = of;
    this.#keysAtOnceMax = keysAtOnceMax;
    this.stage = this.#open(limits);
  }

  apply(block: PlacedBlock): void {
    this.#blocks.push(block);
    this.stage.apply(block);
    this.#show();
  }

  /** A base is begun, gone on with, and ended; a delta is made at once. */
  save(kind: SaveKind): void {
    if (this.#base !== undefined) {
      this.endBase();
      return;
    }
    const save = this.stage.beginSave(this.#chain.length === 0 || this.stage.mustSaveAll ? 'base' : kind);
    const base = { save, entries: save.entries[Symbol.iterator](), read: [] };
    this.#base = base;
    if (save.kind === 'delta') this.endBase();
  }

  goOnWithBase(entryCount: number): void {
    for (let count = 0; count < entryCount && this.#base !== undefined; count += 1) {
      const next = this.#base.entries.next();
      if (next.done === true) return;
      this.#base.read.push(next.value);
    }
  }

  endBase(): void {
    if (this.#base === undefined) return;
    this.goOnWithBase(Number.POSITIVE_INFINITY);
    const { save, read } = this.#base;
    const part = JSON.parse(JSON.stringify({ log: save.log, entries: read })) as StatePart;
    const applied = this.#blocks.findIndex(({ position }) => position > save.log.position);
    const saved = { part, rowCount: 0, applied: applied === -1 ? this.#blocks.length : applied };
    this.#chain = save.kind === 'base' ? [saved] : [...this.#chain, saved];
    this.#base = undefined;
    this.stage.endSave(true);
  }

  /** A base that is not stored: what came before it is told with what came since. */
  cutShort(): void {
    if (this.#base === undefined) return;
    this.#base = undefined;
    this.stage.endSave(false);
  }

  /** Goes on as another process does, from what was saved, in as much memory as that one has. Rows are made again. */
  restart(limits: OverflowLimits | undefined): void {
    this.#base = undefined;
    this.stage.close();
    expect(this.store.runCount()).toBe(0);
    this.stage = this.#open(limits);
    const applied = this.#chain.at(-1)?.applied ?? 0;
    // Entry by entry, as from objects of the blob store: memory may fall short, and the disk be put in order, between any two.
    for (const { part } of this.#chain) {
      if (part.log !== undefined) this.stage.restore({ log: part.log, entries: [] });
      for (const entry of part.entries) this.stage.restore({ entries: [entry] });
    }
    if (this.#chain.length > 0) this.stage.endRestore();
    for (const block of this.#blocks.slice(applied)) {
      this.stage.apply(block);
      this.#show();
    }
  }

  close(): void {
    this.stage.close();
    expect(this.store.runCount()).toBe(0);
  }

  #open(limits: OverflowLimits | undefined): MemoryStage {
    const overflow = limits && new Overflow(this.store, limits);
    return new MemoryStage(this.#pipeline, 0, { overflow, keysAtOnceMax: this.#keysAtOnceMax });
  }

  #show(): void {
    const emission = this.stage.takeEmission();
    do {
      for (const row of [...emission.rows, ...emission.totals]) this.rows.push(JSON.stringify([row, row.position]));
    } while (this.stage.showMore());
  }
}

type Op =
  | { readonly op: 'block'; readonly outputs: readonly Draft[]; readonly step: number }
  | { readonly op: 'save'; readonly kind: SaveKind }
  | { readonly op: 'go-on'; readonly entryCount: number }
  | { readonly op: 'cut' }
  | { readonly op: 'restart'; readonly limits: OverflowLimits | undefined };
interface Draft {
  readonly back: number;
  readonly key: number;
  readonly route: number;
}

const limits = fc.oneof(
  fc.constant(undefined),
  fc.record({ bytesMax: fc.constantFrom(1, 3_000, 20_000), timersInMemoryMax: fc.constantFrom(1, 3, 50) }),
);
const keysAtOnceMax = fc.constantFrom(1, 3, 10_000);
const outputs = fc.array(fc.record({ back: fc.nat(25), key: fc.nat(7), route: fc.nat() }), {
  minLength: 1,
  maxLength: 6,
});
/** Chains that are long enough for the disk to be put in order while they are restored. */
const saveKind = fc.oneof(
  { weight: 1, arbitrary: fc.constant<SaveKind>('base') },
  { weight: 15, arbitrary: fc.constant<SaveKind>('delta') },
);
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ op: fc.constant('block' as const), outputs, step: fc.nat(6) }) },
  { weight: 10, arbitrary: fc.record({ op: fc.constant('save' as const), kind: saveKind }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('go-on' as const), entryCount: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('cut' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('restart' as const), limits }) },
);

function blockOf(of: CompiledPipeline, at: number, nowMs: number, drafts: readonly Draft[]): PlacedBlock {
  const routes = [...of.routes.keys()];
  const made = drafts.map(
    ({ back, key, route }, index): TestOutput => ({
      record: at,
      index,
      at: nowMs - back,
      amount: at * 10 + index,
      key: `k${key}`,
      route: routes[route % routes.length] as string,
    }),
  );
  return placed(of, { at, watermark: nowMs - 12, outputs: made });
}

test.each([
  ['', pipeline, 1_500],
  ['in order, overlapping and for ever, ', others, 500],
] as const)(
  'state %sin little memory, saved while it goes on and restored into any memory, gives the rows of state in plenty',
  (_, of, numRuns) => {
    fc.assert(
      fc.property(limits, keysAtOnceMax, fc.array(op, { minLength: 20, maxLength: 200 }), (first, atOnce, ops) => {
        const bounded = new TestStage(of, first, atOnce);
        const free = new TestStage(of, undefined);
        let at = 1_000;
        let nowMs = 100;
        for (const one of ops) {
          if (one.op === 'block') {
            at += 1;
            nowMs += one.step;
            const block = blockOf(of, at, nowMs, one.outputs);
            bounded.apply(block);
            free.apply(block);
          } else if (one.op === 'save') bounded.save(one.kind);
          else if (one.op === 'go-on') bounded.goOnWithBase(one.entryCount);
          else if (one.op === 'cut') bounded.cutShort();
          else bounded.restart(one.limits);
        }
        bounded.endBase();
        const last = placed(of, { at: 9_999, to: 9_999, watermark: 1_000_000 });
        bounded.apply(last);
        free.apply(last);
        // A row that is made again after a restart is the same.
        expect([...new Set(bounded.rows)].sort()).toEqual([...new Set(free.rows)].sort());
        expect(bounded.stage.reader.counts).toEqual(free.stage.reader.counts);
        bounded.close();
      }),
      { numRuns },
    );
  },
  fuzzTimeoutMs,
);

test.each([
  ['sessions', session({ gap: milliseconds(10) })],
  ['sessions with a greatest length', session({ gap: milliseconds(10), maxLength: milliseconds(25) })],
  ['windows of n records', countWindow(9)],
] as const)('state of %s stays in little memory when a block has all keys looked at', (_, window) => {
  const options = { ...common, early: { every: milliseconds(1_000) } };
  const of = compile(pipelineOf([keyed.window(window, options).aggregate('v', columns).to(sink)]));
  const bytesMax = 200_000;
  const stage = new MemoryStage(of, 0, { overflow: new Overflow(createMemoryRunStore(), { bytesMax }) });
  let at = 0;
  let shown = 0;
  const apply = (arrival: number, watermark: number, outputs: readonly TestOutput[] = []): void => {
    at += 1;
    stage.apply(placed(of, { at, arrival, watermark, outputs }));
    const emission = stage.takeEmission();
    do shown += emission.rows.length;
    while (stage.showMore());
    expect(stage.bytesHeld + stage.bytesLeaving).toBeLessThanOrEqual(bytesMax);
  };
  const keys = 2_000;
  for (let key = 0; key < keys; key += 1)
    apply(1, 0, [{ record: at + 1, at: 100 + (key % 5), amount: 1, key: `k${key}` }]);
  apply(1, 109);
  apply(2_000, 109);
  expect(shown).toBe(keys);
  apply(2_000, 1_000);
  if (window.kind === 'session') expect(shown).toBe(3 * keys);
  stage.close();
});
