import { expect, test } from 'vitest';
import { compile } from '#shared/engine/compile/compile.ts';
import { MemoryStage } from '#shared/engine/slots/memory-stage.ts';
import { milliseconds } from '#shared/pipeline/index.ts';
import { outputsPerRecordMax } from '#shared/schemas/position.ts';
import { pipelineOf, readings, sink } from '../../readings.ts';
import { placed } from '../slots/blocks.ts';

const output = readings()
  .keyBy((reading) => ({ key: reading.key }))
  .process('step', {
    columns: { amount: (reading) => reading.amount },
    emits: { amount: 'number' },
    state: () => null,
    onEvent: ({ amount }, { timeMs, setTimer, emit }) => {
      if (amount === 2) throw new Error('two');
      setTimer(timeMs + 5);
      emit({ amount });
    },
    onTimer: () => {
      throw new Error('no time');
    },
    ttl: milliseconds(100),
    allowedLateness: milliseconds(0),
  })
  .to(sink);
const pipeline = compile(pipelineOf([output]));

function stageAfterBoth(): MemoryStage {
  const stage = new MemoryStage(pipeline, 0);
  const outputs = [
    { record: 7, at: 10, amount: 1 },
    { record: 8, at: 12, amount: 2, line: 3, index: 1 },
  ];
  stage.apply(placed(pipeline, { at: 1, outputs, watermark: 5 }));
  expect(stage.reader.letters).toEqual([]);
  stage.apply(placed(pipeline, { at: 2, to: 9, watermark: 50 }));
  return stage;
}

test('what threw behind the exchange has a letter with its position, its key and a name of its own', () => {
  const { reader } = stageAfterBoth();
  const usual = {
    pipeline: 'test',
    reason: 'threw',
    source: 'readings',
    origin: 'a',
    steps: ['step'],
    key: { key: 'k' },
  };
  expect(reader.letters).toEqual([
    {
      ...usual,
      id: `readings/a/8/${3 * outputsPerRecordMax + 1}/threw/step`,
      message: 'step: onEvent threw: two',
      sequence: '8',
      sub: 3 * outputsPerRecordMax + 1,
      eventTimeMs: 12,
    },
    {
      ...usual,
      id: 'readings/a/7/0/threw/step/15',
      message: 'step: onTimer threw: no time, by a timer at 15 ms that this record led to',
      sequence: '7',
      sub: 0,
      eventTimeMs: 15,
    },
  ]);
});

test('its record was counted, and how often it threw is counted besides, also over a restart', () => {
  const stage = stageAfterBoth();
  const [step] = pipeline.steps;
  const counts = { counted: 2, late: 0, threw: 2 };
  expect(stage.reader.countsOf(step as never)).toEqual(counts);
  expect(stage.reader.counts).toMatchObject({ counted: 2, late: 0 });
  const restored = new MemoryStage(pipeline, 0);
  const { log, entries } = stage.beginSave('base');
  restored.restore({ log, entries: [...entries] });
  restored.endRestore();
  expect(restored.reader.countsOf(step as never)).toEqual(counts);
});
