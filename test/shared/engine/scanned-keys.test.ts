import { Buffer } from 'node:buffer';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expect, test } from 'vitest';
import { type CompiledSource, compile } from '#shared/engine/compile/compile.ts';
import { Preprocessor } from '#shared/engine/transform/preprocess.ts';
import { count, integer, milliseconds, pipeline, record, stream, string, tumbling } from '#shared/pipeline/index.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import { createBoundedRun } from '#shared/runtime/run.ts';
import { drawOf } from '../../fuzz/targets.ts';
import { sink } from '../readings.ts';
import { runBytes } from './scanned-runs.ts';

const schema = record({ a: string(), b: string(), n: integer() });
type Pair = StandardSchemaV1.InferOutput<typeof schema>;

/** Rows and counts of lines in pieces, by the key of two routes. */
function rowsOf(
  read: StandardSchemaV1<unknown, Pair>,
  pieces: readonly string[],
  keys: readonly ((pair: Pair) => Readonly<Record<string, string>>)[],
): unknown {
  const pairs = stream('pairs', { schema: read, timestamp: ({ n }) => n, outOfOrderness: milliseconds(1_000_000) });
  const outputs = keys.map((key, index) =>
    pairs
      .keyBy(key)
      .window(tumbling(milliseconds(1_000_000)), { allowedLateness: milliseconds(0) })
      .aggregate(`step-${index}`, { n: count() })
      .to(sink),
  );
  const run = createBoundedRun(pipeline('test', outputs));
  const file = run.openFile('pairs', 'file');
  for (const piece of pieces) file.read(Buffer.from(piece), () => {});
  file.end(() => {});
  return [[...run.finish()], run.counts()];
}

test('keys that are texts of records are found by the numbers of the texts, and are the same', () => {
  const generic: StandardSchemaV1<unknown, Pair> = { '~standard': schema['~standard'] };
  for (let seed = 0; seed < 30; seed += 1) {
    const draw = drawOf(seed);
    const textCount = draw.pick([3, 40, 3_000]);
    // Long ones are kept apart from short ones, and very long ones not at all.
    const textOf = (): string => `${draw.pick(['', 'x'.repeat(30), 'y'.repeat(60)])}${draw.below(textCount)}`;
    const pieces = Array.from({ length: 4 }, () =>
      Array.from({ length: 500 }, () => `{"a":"${textOf()}","b":"${textOf()}","n":${draw.below(1_000)}}\n`).join(''),
    );
    const kinds: readonly ((pair: Pair) => Readonly<Record<string, string>>)[] = [
      ({ a }) => ({ a }),
      ({ b }) => ({ b }),
      ({ a, b, n }) => ({ either: n % 2 === 0 ? a : b }),
      ({ a, n }) => (n % 3 === 0 ? { one: a } : { other: a }),
      ({ a, b }) => ({ a, b }),
      ({ a }) => ({ first: a.slice(0, 1) }),
    ];
    const keys = [draw.pick(kinds), draw.pick(kinds)];
    expect(rowsOf(schema as StandardSchemaV1<unknown, Pair>, pieces, keys)).toEqual(rowsOf(generic, pieces, keys));
  }
});

test('keys are found by the numbers of their own column, though the first ones stand in another too', () => {
  const pairs = stream('pairs', { schema, timestamp: ({ n }) => n, outOfOrderness: milliseconds(0) });
  const output = pairs
    .keyBy(({ b }) => ({ b }))
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
    .aggregate('step', { n: count(({ a }) => a !== '') })
    .to(sink);
  const compiled = compile(pipeline('test', [output]));
  const preprocessor = new Preprocessor(compiled, [...compiled.sources.values()][0] as CompiledSource, decodeTools);
  const lines = ['web web', 'web web', 'app app', 'one two', 'web app'].map((line) => line.split(' '));
  preprocessor.takeBytes(
    Buffer.from(lines.map(([a, b]) => `{"a":"${a}","b":"${b}","n":1}\n`).join('')),
    () => undefined,
  );
  // Of columns in the order in which they are read.
  expect(preprocessor.reader.texts.map(({ keepsAll }) => keepsAll)).toEqual([false, true]);
});

test('a column that is no name is refused record by record, also where its keys would be found by numbers', () => {
  const pairs = stream('pairs', { schema, timestamp: ({ n }) => n, outOfOrderness: milliseconds(0) });
  const output = pairs
    .keyBy(({ a, b }) => ({ [b]: a }))
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
    .aggregate('step', { n: count() })
    .to(sink);
  const lines = ['user', 'user-id', 'user-id', '1st', 'user'].map((b, n) => `{"a":"x","b":"${b}","n":${n}}`);
  const { rows, rejections } = runBytes(pipeline('test', [output]), 'pairs', lines);
  expect(rejections).toMatchObject([
    [2, expect.anything(), 'invalid', expect.stringContaining('key column "user-id" is not a name')],
    [3, expect.anything(), 'invalid', expect.stringContaining('key column "user-id" is not a name')],
    [4, expect.anything(), 'invalid', expect.stringContaining('key column "1st" is not a name')],
  ]);
  expect(rows).toHaveLength(1);
});
