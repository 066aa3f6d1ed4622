import type { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import { assert } from '#shared/schemas/error.ts';
import { nameOfRowFile, type RowBatch, type RowFile } from '#shared/schemas/row-file.ts';
import { putEntries } from './put-blocks.ts';
import { encodeRowBatches } from './row-batch-codec.ts';
import { encodeRowFile } from './row-file-codec.ts';
import type { ShardReaderOptions } from './shard-reader-options.ts';

/** Where a stage's rows and letters go, and who watches. */
export interface WriteOptions
  extends Pick<
    ShardReaderOptions,
    'archive' | 'clock' | 'deadLetters' | 'pipeline' | 'results' | 'rowStreams' | 'state' | 'telemetry'
  > {
  /** Called behind each step. */
  readonly goOn: () => void;
  /** Nothing more is to be written. */
  readonly isAbandoned: () => boolean;
}

/** What a slow store still takes within a second or two. */
const itemsPerStep = 100;

/** Writes what the stage has decided since the last time. */
export async function writeEmission(options: WriteOptions, stage: MemoryStage): Promise<void> {
  const { clock, results } = options;
  const emission = stage.takeEmission();
  for (;;) {
    await writeLetters(options, stage);
    // As the aggregate stage does, so that no row is more than all of its total.
    await writeInSteps(options, emission.totals, results.writeTotals);
    await writeInSteps(options, emission.rows, results.writeRows);
    await writeFiles(options, emission.files);
    await writeBatches(options, stage.reader.slot, emission.batches);
    if (options.isAbandoned() || !stage.showMore()) return;
    // There may be nothing to write of very many keys, and the others have their turn.
    options.goOn();
    await clock.sleep(0);
  }
}

async function writeLetters(options: WriteOptions, stage: MemoryStage): Promise<void> {
  const { deadLetters, state, telemetry } = options;
  const letters = stage.reader.letters.splice(0);
  const marks = stage.reader.lateMarks.splice(0);
  await writeInSteps(options, letters, deadLetters.send);
  const labels = { stage: 'window', slot: String(stage.reader.slot) };
  const lateCount = letters.filter(({ reason }) => reason === 'late').length;
  if (lateCount > 0) telemetry.metric('late_records_total', lateCount, labels);
  if (letters.length > lateCount) telemetry.metric('rejected_records_total', letters.length - lateCount, labels);
  await writeInSteps(options, marks, state.addLateMarks);
  const rejected = [...stage.origins].flatMap((origin) => origin.letters.splice(0));
  if (rejected.length > 0) {
    await writeInSteps(options, rejected, deadLetters.send);
    telemetry.metric('rejected_records_total', rejected.length, { stage: 'window' });
  }
}

/** Every attempt writes the same bytes under the same name. */
async function writeFiles(options: WriteOptions, files: readonly RowFile[]): Promise<void> {
  const { archive, pipeline, telemetry } = options;
  for (const file of files) {
    if (options.isAbandoned()) return;
    const step = pipeline.steps.find(({ plan }) => plan.id === file.view);
    assert(
      step !== undefined && archive !== undefined,
      `the view ${file.view} writes files, and there is a bucket for them`,
    );
    const name = nameOfRowFile(file);
    const bytes = encodeRowFile(step, file, (column, type) =>
      telemetry.log('warn', 'A column holds values that its type cannot: in this file it has another one.', {
        view: file.view,
        file: name,
        column,
        type,
      }),
    );
    await archive.put(name, bytes);
    telemetry.metric('file_rows_total', file.lines.length, { stage: 'window', view: file.view });
    options.goOn();
  }
}

/** A view's records one after the other, so that its stream has them in the order of the slot's log. */
async function writeBatches(options: WriteOptions, slot: number, batches: readonly RowBatch[]): Promise<void> {
  const { clock, pipeline, rowStreams, telemetry } = options;
  for (const view of new Set(batches.map((batch) => batch.view))) {
    const exchange = rowStreams?.get(view);
    assert(exchange !== undefined, `the view ${view} goes to a stream, and there is one`);
    const into = { name: `the stream of ${view}`, exchange, clock, telemetry };
    const ofView = batches.filter((batch) => batch.view === view);
    for (const entry of encodeRowBatches(ofView, { slot, slots: pipeline.slots })) {
      if (options.isAbandoned()) return;
      await putEntries(into, [entry]);
      options.goOn();
    }
  }
}

/** A batch may close so many windows that their rows take longer to write than a lease lasts: each part of them is progress. */
async function writeInSteps<Item>(
  options: WriteOptions,
  items: readonly Item[],
  write: (items: readonly Item[]) => Promise<unknown>,
): Promise<void> {
  for (let at = 0; at < items.length && !options.isAbandoned(); at += itemsPerStep) {
    await write(items.slice(at, at + itemsPerStep));
    options.goOn();
  }
}
