import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CompiledPipeline, compile } from '#shared/engine/compile/compile.ts';
import { mergeTotals } from '#shared/engine/rows/read.ts';
import { CellStage } from '#shared/engine/slots/cells.ts';
import { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import type { PlacedBlock } from '#shared/engine/slots/slot.ts';
import { milliseconds, shareOfTotal, sliding, sum, tumbling, type WindowSpec } from '#shared/pipeline/index.ts';
import type { Placement } from '#shared/pipeline/placement.ts';
import type { SlidingWindow, TumblingWindow } from '#shared/pipeline/window.ts';
import { type Row, rowOrder, type TotalPartial } from '#shared/schemas/row.ts';
import type { Checkpoint, StoredCell } from '#shared/schemas/state.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { amounts, pipelineOf, type Reading, readings, sink } from '../../readings.ts';
import { placed, type TestBlock, tick } from './blocks.ts';

const ten = tumbling(milliseconds(10));

function compiled(
  window: WindowSpec,
  placement: Placement,
  options: { readonly lateness?: number; readonly refresh?: number } = {},
): CompiledPipeline {
  const output = readings()
    .keyBy((reading) => ({ key: reading.key }))
    .window(window as TumblingWindow | SlidingWindow, {
      allowedLateness: milliseconds(options.lateness ?? 0),
      refresh: milliseconds(options.refresh ?? 1),
      placement,
    })
    .aggregate('step', { amounts, total: sum((reading: Reading) => reading.amount) })
    .derive({ share: shareOfTotal('total') })
    .to(sink);
  // Two key groups, so that a window is several cells.
  return compile(pipelineOf([output], { expectedKeys: 32 }));
}

/** A slot's stored state and rows, with a host that may die at any point between two writes. */
class CellHost {
  readonly pipeline: CompiledPipeline;
  readonly cells = new Map<string, StoredCell>();
  readonly rows = new Map<string, Row>();
  readonly totals = new Map<string, TotalPartial>();
  checkpoint: Checkpoint | undefined;
  /** What the last attempt wanted written and read. */
  wrote: { readonly cells: number; readonly rows: readonly Row[] } = { cells: 0, rows: [] };

  constructor(pipeline: CompiledPipeline) {
    this.pipeline = pipeline;
  }

  /** One attempt at a batch; it dies after `writesMax` writes, of which a cell, a row and the checkpoint are one each. */
  take(batch: readonly PlacedBlock[], writesMax = Number.POSITIVE_INFINITY): void {
    const stage = new CellStage(this.pipeline, 0, this.checkpoint);
    if (batch.filter((block) => stage.judge(block)).length === 0) return;
    const { cells, panes } = stage.needed();
    const loaded = [...this.cells.values()].filter(
      ({ id }) =>
        panes.some((pane) => pane.paneMs === id.paneMs) ||
        cells.some((cell) => cell.paneMs === id.paneMs && cell.group === id.group),
    );
    const effects = stage.finish(loaded);
    this.wrote = { cells: effects.cells.length, rows: effects.emission.rows };
    const writes = [
      ...effects.cells.map(({ cell, read }) => () => {
        const name = `${cell.id.paneMs}/${cell.id.group}`;
        expect(this.cells.get(name)?.position).toBe(read);
        this.cells.set(name, cell);
      }),
      ...effects.emission.rows.map((row) => () => putNewer(this.rows, `${row.windowStartMs}/${row.key}`, row)),
      ...effects.emission.totals.map((total) => () => putNewer(this.totals, String(total.windowStartMs), total)),
      () => {
        this.checkpoint = JSON.parse(JSON.stringify(effects.checkpoint));
      },
    ];
    for (const write of writes.slice(0, writesMax)) write();
  }
}

function putNewer<Kept extends Row | TotalPartial>(kept: Map<string, Kept>, name: string, written: Kept): void {
  const before = kept.get(name);
  if (before === undefined || rowOrder(written) > rowOrder(before)) kept.set(name, written);
}

/** `key [start, end) amounts`, of the final rows. */
function finals(rows: Iterable<Row>): readonly string[] {
  return [...rows]
    .filter((row) => row.final)
    .map((row) => `${row.key} [${row.windowStartMs}, ${row.windowEndMs}) ${JSON.stringify(row.columns)}`)
    .sort();
}

function inMemory(pipeline: CompiledPipeline, blocks: readonly PlacedBlock[]) {
  const stage = new MemoryStage(pipeline, 0);
  for (const block of blocks) stage.apply(block);
  return { stage, ...stage.takeEmission() };
}

interface Load {
  readonly blocks: readonly TestBlock[];
  /** How many blocks each batch has, and after how many writes its first attempt dies. */
  readonly batches: readonly { readonly count: number; readonly retryCount: number; readonly writesMax: number }[];
}

/** Records of one origin in blocks that overlap, as attempts leave them behind, and batches that are cut anew after a crash. */
const load: fc.Arbitrary<Load> = fc.record({
  blocks: fc
    .array(
      fc.record({
        times: fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 0, maxLength: 4 }),
        keys: fc.infiniteStream(fc.constantFrom('a', 'b', 'c', 'd')),
        lag: fc.integer({ min: 0, max: 15 }),
        again: fc.integer({ min: 0, max: 3 }),
        wait: fc.integer({ min: 0, max: 4 }),
      }),
      { minLength: 1, maxLength: 10 },
    )
    .map((drafts) => {
      const outputs: { readonly record: number; readonly at: number; readonly key: string; readonly amount: number }[] =
        [];
      let watermark = Number.NEGATIVE_INFINITY;
      let arrival = 0;
      return drafts.map((draft, index): TestBlock => {
        const first = outputs.length;
        for (const [offset, time] of draft.times.entries()) {
          const record = outputs.length + 1;
          // Time goes on by ten for each block.
          outputs.push({ record, at: time + 10 * index + offset, key: draft.keys.next().value, amount: record });
        }
        watermark = Math.max(watermark, ...outputs.map((output) => output.at - draft.lag));
        arrival += draft.wait;
        return {
          at: index + 1,
          arrival,
          to: outputs.length,
          watermark: Number.isFinite(watermark) ? watermark : null,
          outputs: outputs.slice(Math.max(0, first - draft.again)),
        };
      });
    }),
  batches: fc.array(
    fc.record({
      count: fc.integer({ min: 1, max: 4 }),
      retryCount: fc.integer({ min: 1, max: 4 }),
      writesMax: fc.nat(8),
    }),
    { minLength: 10, maxLength: 10 },
  ),
});

const windows = fc.constantFrom<WindowSpec>(
  ten,
  sliding(milliseconds(10), { every: milliseconds(4) }),
  sliding(milliseconds(15), { every: milliseconds(5) }),
);
/** Behind everything: closes every window. */
const closing: TestBlock = { at: 99, to: 999, arrival: 99, watermark: 1_000 };

function blocksOf(pipeline: CompiledPipeline, blocks: readonly TestBlock[]): readonly PlacedBlock[] {
  return [...blocks, closing].map((block) => placed(pipeline, block));
}

describe('any blocks in any batches', () => {
  test('give the rows that the worker gives', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(load, windows, fc.integer({ min: 0, max: 6 }), ({ blocks, batches }, window, lateness) => {
        const onLambda = compiled(window, 'lambda', { lateness });
        const host = new CellHost(onLambda);
        const all = blocksOf(onLambda, blocks);
        for (let at = 0, batch = 0; at < all.length; batch += 1) {
          const count = batches[batch]?.count ?? 1;
          host.take(all.slice(at, at + count));
          at += count;
        }
        const onFargate = compiled(window, 'fargate', { lateness });
        const { rows, stage } = inMemory(onFargate, blocksOf(onFargate, blocks));
        expect(finals(host.rows.values())).toEqual(finals(rows));
        expect(host.checkpoint?.counts).toEqual(stage.reader.counts);
      }),
      { numRuns: 2_500 },
    );
  });

  test('give the same rows when each first attempt dies between two writes and the batch is cut anew', {
    timeout: fuzzTimeoutMs,
  }, () => {
    fc.assert(
      fc.property(load, windows, fc.integer({ min: 0, max: 6 }), ({ blocks, batches }, window, lateness) => {
        const pipeline = compiled(window, 'lambda', { lateness });
        const all = blocksOf(pipeline, blocks);
        const calm = new CellHost(pipeline);
        for (const block of all) calm.take([block]);
        const host = new CellHost(pipeline);
        for (let at = 0, batch = 0; at < all.length; batch += 1) {
          const { count = 1, retryCount = 1, writesMax = 0 } = batches[batch] ?? {};
          host.take(all.slice(at, at + count), writesMax);
          host.take(all.slice(at, at + retryCount));
          at += retryCount;
        }
        expect(finals(host.rows.values())).toEqual(finals(calm.rows.values()));
        expect(host.checkpoint?.counts).toEqual(calm.checkpoint?.counts);
      }),
      { numRuns: 2_500 },
    );
  });

  test('give totals that are the sums of their rows', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(load, windows, ({ blocks, batches }, window) => {
        const pipeline = compiled(window, 'lambda', { lateness: 2 });
        const host = new CellHost(pipeline);
        const all = blocksOf(pipeline, blocks);
        for (let at = 0, batch = 0; at < all.length; batch += 1) {
          const { count = 1, writesMax = 0 } = batches[batch] ?? {};
          host.take(all.slice(at, at + count), writesMax);
          host.take(all.slice(at, at + count));
          at += count;
        }
        const sums = new Map<number, number>();
        for (const row of host.rows.values())
          sums.set(row.windowStartMs, (sums.get(row.windowStartMs) ?? 0) + (row.columns['total'] as number));
        const [step] = pipeline.steps;
        const totals = [...host.totals.values()].map(
          (total) => [total.windowStartMs, step?.op !== 'aggregate' ? 0 : mergeTotals(step, [total])['total']] as const,
        );
        expect(new Map(totals)).toEqual(sums);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a cell that is ahead of the checkpoint', () => {
  const pipeline = compiled(ten, 'lambda');
  const first = placed(pipeline, { at: 1, outputs: [{ record: 1, at: 1, amount: 1 }] });
  const second = placed(pipeline, { at: 2, outputs: [{ record: 2, at: 2, amount: 2 }] });
  const last = placed(pipeline, { at: 3, to: 3, watermark: 10 });

  test('is not counted into again by the next attempt', () => {
    const host = new CellHost(pipeline);
    host.take([first, second], 1);
    host.take([first]);
    host.take([second, last]);
    expect(finals(host.rows.values())).toEqual(['key=k [0, 10) {"amounts":"1 2","total":3}']);
  });

  test('is shown though the attempt changed nothing in it', () => {
    const host = new CellHost(pipeline);
    // The two cells of the pane, and nothing more.
    host.take([first], 2);
    host.take([first]);
    expect([host.wrote.cells, host.wrote.rows.map((row) => row.columns['amounts'])]).toEqual([0, ['1']]);
  });
});

describe('rows of windows that fill', () => {
  const shown = (host: CellHost): readonly unknown[] => host.wrote.rows.map((row) => [row.key, row.final]);

  test('are shown at the cadence and not before', () => {
    const pipeline = compiled(ten, 'lambda', { refresh: 5 });
    const host = new CellHost(pipeline);
    host.take([placed(pipeline, { at: 1, arrival: 100, outputs: [{ record: 1, at: 1, key: 'a' }] })]);
    expect(shown(host)).toEqual([['key=a', false]]);
    host.take([placed(pipeline, { at: 2, arrival: 104, outputs: [{ record: 2, at: 1, key: 'b' }] })]);
    expect(shown(host)).toEqual([]);
    host.take([tick(pipeline, 3, 105)]);
    expect(shown(host)).toEqual([['key=b', false]]);
  });

  test('are not shown again when nothing changed', () => {
    const pipeline = compiled(ten, 'lambda', { refresh: 5 });
    const host = new CellHost(pipeline);
    host.take([placed(pipeline, { at: 1, arrival: 100, outputs: [{ record: 1, at: 1 }] })]);
    host.take([tick(pipeline, 2, 200)]);
    expect(shown(host)).toEqual([]);
  });

  test('are not shown any more when the window has closed', () => {
    const pipeline = compiled(ten, 'lambda', { refresh: 5 });
    const host = new CellHost(pipeline);
    host.take([
      placed(pipeline, { at: 1, arrival: 1, outputs: [{ record: 1, at: 1 }] }),
      placed(pipeline, { at: 2, arrival: 2, to: 2, watermark: 10 }),
    ]);
    host.take([tick(pipeline, 3, 100)]);
    expect([host.wrote.rows, host.rows.size]).toEqual([[], 1]);
  });

  test('of on-close windows are shown when final alone', () => {
    const keyed = readings().keyBy((reading) => ({ key: reading.key }));
    const output = keyed
      .window(ten, { allowedLateness: milliseconds(0), emit: 'on-close', placement: 'lambda' })
      .aggregate('step', { amounts })
      .to(sink);
    const pipeline = compile(pipelineOf([output]));
    const host = new CellHost(pipeline);
    host.take([placed(pipeline, { at: 1, arrival: 10_000, outputs: [{ record: 1, at: 1 }] })]);
    expect(shown(host)).toEqual([]);
    host.take([placed(pipeline, { at: 2, to: 2, watermark: 10 })]);
    expect(shown(host)).toEqual([['key=k', true]]);
  });
});

describe('what is read and written', () => {
  test('is one cell a key group and window that a batch touches, and the total', () => {
    const pipeline = compiled(ten, 'lambda');
    const stage = new CellStage(pipeline, 0, undefined);
    stage.judge(placed(pipeline, { at: 1, outputs: [1, 2, 3].map((record) => ({ record, at: record })) }));
    expect(stage.needed().cells.map(({ paneMs, group }) => [paneMs, group < 0])).toEqual([
      [0, false],
      [0, true],
    ]);
  });

  test('is a whole pane when its window closes', () => {
    const pipeline = compiled(ten, 'lambda');
    const host = new CellHost(pipeline);
    host.take([placed(pipeline, { at: 1, outputs: [{ record: 1, at: 1 }] })]);
    const stage = new CellStage(pipeline, 0, host.checkpoint);
    stage.judge(placed(pipeline, { at: 2, to: 2, watermark: 10 }));
    expect(stage.needed()).toEqual({ cells: [], panes: [{ step: 'step', slot: 0, paneMs: 0 }] });
  });

  test('is nothing for a heartbeat that closes nothing', () => {
    const pipeline = compiled(ten, 'lambda');
    const host = new CellHost(pipeline);
    host.take([placed(pipeline, { at: 1, to: 2, watermark: 5 })]);
    expect([host.cells.size, host.rows.size]).toEqual([0, 0]);
  });

  test('is in the checkpoint in rising order, whatever order windows were opened in', () => {
    const pipeline = compiled(ten, 'lambda');
    const host = new CellHost(pipeline);
    host.take([placed(pipeline, { at: 1, outputs: [31, -5, 12].map((at, index) => ({ record: index + 1, at })) })]);
    expect(host.checkpoint?.steps['step']?.open).toEqual([-10, 10, 30]);
  });
});

describe('the worker of one slot', () => {
  test('goes on from its snapshot as if it had never stopped', { timeout: fuzzTimeoutMs }, () => {
    fc.assert(
      fc.property(load, windows, fc.nat(9), ({ blocks }, window, stopAt) => {
        const pipeline = compiled(window, 'fargate', { lateness: 2 });
        const all = blocksOf(pipeline, blocks);
        const first = inMemory(pipeline, all.slice(0, stopAt));
        const { log, entries } = first.stage.beginSave('base');
        const saved = { log, entries: [...entries] };
        first.stage.endSave(true);
        const second = new MemoryStage(pipeline, 0);
        second.restore(JSON.parse(JSON.stringify(saved)));
        for (const block of all) second.apply(block);
        const whole = inMemory(pipeline, all);
        expect(finals([...first.rows, ...second.takeEmission().rows])).toEqual(finals(whole.rows));
        expect(second.reader.counts).toEqual(whole.stage.reader.counts);
      }),
      { numRuns: 1_000 },
    );
  });
});
