import type { CompiledPipeline } from '#shared/engine/compile.ts';
import type { MemoryStage } from '#shared/engine/memory-stage.ts';
import type { BlobStore } from '#shared/ports/blob-store.ts';
import type { Clock } from '#shared/ports/clock.ts';
import type { DeadLetters } from '#shared/ports/dead-letters.ts';
import type { Exchange } from '#shared/ports/exchange.ts';
import type { ResultStore } from '#shared/ports/result-store.ts';
import type { StateStore } from '#shared/ports/state-store.ts';
import type { Telemetry } from '#shared/ports/telemetry.ts';
import { assert } from '#shared/schemas/error.ts';
import { nameOfRowFile, type RowBatch, type RowFile } from '#shared/schemas/row-file.ts';
import { putEntries } from './put-blocks.ts';
import { encodeRowBatches } from './row-batch-codec.ts';
import { encodeRowFile } from './row-file-codec.ts';

export interface StageWriterOptions {
  readonly pipeline: CompiledPipeline;
  readonly state: StateStore;
  readonly results: ResultStore;
  readonly archive?: BlobStore;
  readonly rowStreams?: ReadonlyMap<string, Exchange>;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Nothing more is written once this says so. */
  readonly isAbandoned: () => boolean;
  readonly onProgress: () => void;
}

/** What a slow store still takes within a second or two. */
const itemsPerStep = 100;

/** The way of what a reader's stages decide, to all who are told of it but the exchange. */
export class StageWriter {
  readonly #options: StageWriterOptions;

  constructor(options: StageWriterOptions) {
    this.#options = options;
  }

  /** Writes what the stage has decided since the last time: letters, marks, rows, totals. */
  async write(stage: MemoryStage): Promise<void> {
    const { deadLetters, results, state, telemetry } = this.#options;
    const letters = stage.reader.letters.splice(0);
    const marks = stage.reader.lateMarks.splice(0);
    await this.#writeInSteps(letters, deadLetters.send);
    const labels = { stage: 'window', slot: String(stage.reader.slot) };
    const lateCount = letters.filter(({ reason }) => reason === 'late').length;
    if (lateCount > 0) telemetry.metric('late_records_total', lateCount, labels);
    if (letters.length > lateCount) telemetry.metric('rejected_records_total', letters.length - lateCount, labels);
    await this.#writeInSteps(marks, state.addLateMarks);
    const rejected = [...stage.origins].flatMap((origin) => origin.letters.splice(0));
    if (rejected.length > 0) await this.#writeInSteps(rejected, deadLetters.send);
    if (rejected.length > 0) telemetry.metric('rejected_records_total', rejected.length, { stage: 'window' });
    const { rows, totals, files, batches } = stage.takeEmission();
    await this.#writeInSteps(rows, results.writeRows);
    await this.#writeInSteps(totals, results.writeTotals);
    await this.#writeFiles(files);
    await this.#writeBatches(stage.reader.slot, batches);
  }

  /** Every attempt writes the same bytes under the same name. */
  async #writeFiles(files: readonly RowFile[]): Promise<void> {
    const { archive, pipeline, telemetry } = this.#options;
    for (const file of files) {
      if (this.#options.isAbandoned()) return;
      const step = pipeline.steps.find(({ plan }) => plan.id === file.view);
      assert(
        step !== undefined && archive !== undefined,
        `the view ${file.view} writes files, and there is a bucket for them`,
      );
      await archive.put(nameOfRowFile(file), encodeRowFile(step.plan, file));
      telemetry.metric('file_rows_total', file.lines.length, { stage: 'window', view: file.view });
      this.#options.onProgress();
    }
  }

  /** A view's records one after the other, so that its stream has them in the order of the slot's log. */
  async #writeBatches(slot: number, batches: readonly RowBatch[]): Promise<void> {
    const { clock, pipeline, rowStreams, telemetry } = this.#options;
    for (const view of new Set(batches.map((batch) => batch.view))) {
      const exchange = rowStreams?.get(view);
      assert(exchange !== undefined, `the view ${view} goes to a stream, and there is one`);
      const into = { name: `the stream of ${view}`, exchange, clock, telemetry };
      const ofView = batches.filter((batch) => batch.view === view);
      for (const entry of encodeRowBatches(ofView, { slot, slots: pipeline.slots })) {
        if (this.#options.isAbandoned()) return;
        await putEntries(into, [entry]);
        this.#options.onProgress();
      }
    }
  }

  /** A batch may close so many windows that their rows take longer to write than a lease lasts: each part of them is progress. */
  async #writeInSteps<Item>(
    items: readonly Item[],
    write: (items: readonly Item[]) => Promise<unknown>,
  ): Promise<void> {
    for (let at = 0; at < items.length && !this.#options.isAbandoned(); at += itemsPerStep) {
      await write(items.slice(at, at + itemsPerStep));
      this.#options.onProgress();
    }
  }
}
