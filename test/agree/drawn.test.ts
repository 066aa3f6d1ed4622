import { expect, test } from 'vitest';
import { build, fileOf } from './drawn/build.ts';
import { drawPipeline } from './drawn/draw.ts';
import type { Drawn } from './drawn/drawing.ts';
import { tryPipeline } from './drawn/drawn.ts';
import { type Asked, lessOf } from './drawn/questions.ts';

// A few of them; `npm run agree -- --drawn 10000` has as many as one wants.

const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? 1);

test.each(Array.from({ length: 6 }, (_, index) => seed + index))(
  'drawn pipeline %i has the same rows wherever and however it runs',
  async (seed) => {
    const { difference } = await tryPipeline(seed, 2);
    expect(difference?.join('\n')).toBeUndefined();
  },
);

test('a seed draws the same pipeline again, and another one another', () => {
  expect(fileOf(drawPipeline(1))).toBe(fileOf(drawPipeline(1)));
  expect(fileOf(drawPipeline(1))).not.toBe(fileOf(drawPipeline(2)));
});

test('what is wrong is shown with the views and records that it takes', async () => {
  const all = Array.from({ length: 100 }, (_, index) => drawPipeline(index));
  const drawn = all.find(({ streams, outputs }) => streams.length === 1 && outputs.length > 3) as Drawn;
  const { pipeline } = build(drawn);
  const [view = ''] = Object.keys(pipeline.outputs);
  const records = [3, 1, 2].map((n) => ({ stream: 's0', record: { at: n, n } }));
  const history = { records, isPlain: true, isOnTime: true };
  const asked = { seed: 1, drawn, pipeline, history } as unknown as Asked;
  const { asked: less } = await lessOf(asked, async ({ pipeline, history }) => {
    const isThere = history.records.some(({ record }) => (record as { readonly n: number }).n === 1);
    return view in pipeline.outputs && isThere ? ['wrong'] : [];
  });
  expect(Object.keys(less.pipeline.outputs)).toEqual([view]);
  expect(less.history.records.map(({ record }) => record)).toEqual([{ at: 1, n: 1 }]);
});
