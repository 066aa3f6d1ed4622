import { describe, expect, test } from 'vitest';
import { type CopiedLog, rowsUnderWay } from '#shared/engine/slots/cut.ts';
import { type LogPosition, logPosition, logStart, sequenceInLog, subMax } from '#shared/schemas/position.ts';
import type { Checkpoint } from '#shared/schemas/state.ts';

const pipeline = { rowSources: new Map([['visits', undefined as never]]) };
const at = (sequence: number): LogPosition => logPosition(1, String(sequence));

/** A slot at P 9 whose last rows are of the block `made`, with its marks for the rows of slots 0 and 1. */
function slot(index: number, made: LogPosition | undefined, marks: readonly (LogPosition | undefined)[]): CopiedLog {
  const origins = Object.fromEntries(
    marks.flatMap((mark, of) =>
      mark === undefined
        ? []
        : [[`slot-${of}`, { mark: [sequenceInLog(mark), subMax] as const, watermarkMs: 0, lastMs: 0, retired: false }]],
    ),
  );
  const rows = made === undefined ? {} : { rows: { visits: { toldMs: 0, toldAt: logStart, madeAt: made } } };
  const log = { position: at(9), sources: { visits: { watermarkMs: 0, roster: {}, origins } }, ...rows };
  return { stage: 'window', slot: index, log: log as unknown as Checkpoint };
}

describe('slots that were copied one by one are a cut', () => {
  test('when every slot has read the rows of every slot', () => {
    const logs = [slot(0, at(7), [at(7), at(4)]), slot(1, at(3), [at(8), at(3)])];
    expect(rowsUnderWay(pipeline, logs)).toBeUndefined();
  });

  test('when nobody has made a row', () => {
    expect(rowsUnderWay(pipeline, [slot(0, logStart, []), slot(1, logStart, [])])).toBeUndefined();
    expect(rowsUnderWay(pipeline, [{ stage: 'window', slot: 0, log: undefined }])).toBeUndefined();
  });

  test.each([
    ['a row was made and not read', [slot(0, at(7), [at(7), at(3)]), slot(1, at(3), [at(6), at(3)])]],
    ['a slot was not heard of', [slot(0, at(7), [at(7), at(3)]), slot(1, at(3), [undefined, at(3)])]],
    ['a row was read that is yet to be made', [slot(0, at(7), [at(7), at(3)]), slot(1, at(3), [at(10), at(3)])]],
    ['it is not known what was made', [slot(0, undefined, [at(7), at(3)]), slot(1, at(3), [at(7), at(3)])]],
  ])('but not when %s', (_, logs) => {
    expect(rowsUnderWay(pipeline, logs)).toEqual({ step: 'visits', from: 0, to: expect.any(Number) });
  });
});
