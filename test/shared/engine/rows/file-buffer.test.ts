import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FileBuffer } from '#shared/engine/rows/file-buffer.ts';
import type { Json } from '#shared/pipeline/aggregator.ts';
import { s3, seconds } from '#shared/pipeline/index.ts';
import type { LogPosition } from '#shared/schemas/position.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { nameOfRowFile, type RowFile } from '#shared/schemas/row-file.ts';

const sink = s3({ format: 'ndjson', every: seconds(10), rowsMax: 3 });

function line(number: number, day = '2026-11-21') {
  return { day, json: `{"n":${number}}` };
}

function at(block: number, clockMs = block * 1_000) {
  return { slot: 2, position: logPosition(1, String(block)), clockMs };
}

describe('a file is closed', () => {
  test('when it is full', () => {
    const buffer = new FileBuffer('hits', sink);
    expect(buffer.add(line(1), at(1))).toEqual([]);
    expect(buffer.add(line(2), at(1))).toEqual([]);
    const [file] = buffer.add(line(3), at(2));
    expect(file?.lines).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
    expect(nameOfRowFile(file as RowFile)).toBe('hits/date=2026-11-21/0002-00000001.0012-0000.ndjson.gz');
    expect(buffer.rowCount).toBe(0);
  });

  test('when its oldest row has waited long enough on the clock of the slot', () => {
    const buffer = new FileBuffer('hits', sink);
    buffer.add(line(1), at(5));
    buffer.add(line(2), at(9));
    expect(buffer.advance(at(14), 0)).toEqual([]);
    expect(buffer.advance(at(15), 0).map(({ lines }) => lines.length)).toEqual([2]);
    expect(buffer.advance(at(40), 0)).toEqual([]);
  });

  test('for each day on its own', () => {
    const buffer = new FileBuffer('hits', sink);
    buffer.add(line(1, '2026-11-20'), at(1));
    buffer.add(line(2, '2026-11-21'), at(1));
    const files = buffer.add(line(3, '2026-11-20'), at(1));
    expect(files.map(({ day, lines }) => [day, lines.length])).toEqual([
      ['2026-11-20', 2],
      ['2026-11-21', 1],
    ]);
  });

  test('several times in one block, with names that differ', () => {
    const buffer = new FileBuffer('hits', sink);
    const names = [1, 2, 3, 4, 5, 6].flatMap((number) => buffer.add(line(number), at(1)).map(nameOfRowFile));
    expect(new Set(names).size).toBe(2);
  });
});

test('whoever goes on from a save, wherever it was taken, closes the same files', () => {
  const step = fc.record({
    rows: fc.nat(4),
    clockMs: fc.nat(4_000),
    save: fc.constantFrom('none', 'base', 'delta', 'crash'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const straight = run(steps.map((each) => ({ ...each, save: 'none' })));
      expect(run(steps)).toEqual(straight);
    }),
  );
});

interface Step {
  readonly rows: number;
  readonly clockMs: number;
  readonly save: string;
}

/** Files by name. A crash goes back to the last save, from where the same blocks are applied again. */
function run(steps: readonly Step[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  let buffer = new FileBuffer('hits', sink);
  const entries: Json[] = [];
  let savedBlock = 0;
  const clocks: number[] = [0];
  for (const { clockMs } of steps) clocks.push((clocks.at(-1) as number) + clockMs);
  const apply = (block: number): void => {
    const context = at(block, clocks[block] as number);
    const made: RowFile[] = [];
    for (let row = 0; row < (steps[block - 1] as Step).rows; row += 1)
      made.push(...buffer.add(line(block * 10 + row, `2026-11-2${row % 2}`), context));
    made.push(...buffer.advance(context, 0));
    for (const file of made) keep(files, file);
  };
  for (const [index, { save }] of steps.entries()) {
    const block = index + 1;
    apply(block);
    if (save === 'base' || (save === 'delta' && entries.length === 0)) {
      entries.splice(0, entries.length, ...copy(buffer.save()));
      buffer.markSaved();
      savedBlock = block;
    } else if (save === 'delta') {
      entries.push(...copy(buffer.saveChanges()));
      buffer.markSaved();
      savedBlock = block;
    } else if (save === 'crash') {
      buffer = new FileBuffer('hits', sink);
      for (const entry of entries) buffer.restore(entry);
      if (entries.length > 0) buffer.markSaved();
      for (let again = savedBlock + 1; again <= block; again += 1) apply(again);
    }
  }
  return files;
}

function keep(files: Map<string, string>, file: RowFile): void {
  const name = nameOfRowFile(file);
  const text = file.lines.join('\n');
  expect(files.get(name) ?? text, `${name} is written twice`).toBe(text);
  files.set(name, text);
}

function copy(entries: Iterable<Json>): Json[] {
  return JSON.parse(JSON.stringify([...entries])) as Json[];
}

test('the position of a file is that of the block that closed it', () => {
  const buffer = new FileBuffer('hits', sink);
  buffer.add(line(1), at(1));
  const [file] = buffer.advance(at(30), 0);
  expect(file?.position).toBe('00000001.00230' as LogPosition);
});
