import fc from 'fast-check';
import { milliseconds } from '#shared/pipeline/index.ts';
import { sourcesOf } from '#shared/pipeline/plan.ts';
import { arbitraries, type Sent, type StreamHistory } from '#shared/testing/index.ts';
import { createRandom, type Random } from '#shared/testing/random.ts';
import type { Built } from './build.ts';
import type { Drawn, SourceField } from './drawing.ts';

export interface History {
  readonly records: readonly Sent[];
  /** What a database can say as well: numbers that it adds up as we do, texts that it sorts as we do. */
  readonly isPlain: boolean;
  /** No record is further behind than its stream says. */
  readonly isOnTime: boolean;
}

/** Draws one history of a pipeline's streams: of what kind, the seed says too. */
export function drawHistory(drawn: Drawn, built: Built, seed: number): History {
  const random = createRandom(seed, 'history');
  const isPlain = random.chance(0.6);
  const keys = random.pick([1, 2, 4, 4, 4, 60]);
  const read = new Set(sourcesOf(built.pipeline.plan).map(({ id }) => id));
  const streams = drawn.streams
    .filter(({ name }) => read.has(name))
    .map(({ name, fields }): StreamHistory<never> => {
      const arbitrariesOf = Object.fromEntries(fields.map((field) => [field.name, valuesOf(field, { isPlain, keys })]));
      return { stream: built.streams[name], time: 'at', fields: arbitrariesOf } as unknown as StreamHistory<never>;
    });
  const [records = []] = fc.sample(
    arbitraries.history(streams as never, {
      records: random.pick([
        [0, 8],
        [5, 30],
        [5, 30],
        [20, 60],
      ]),
      pace: milliseconds(random.chance(0.2) ? 1 : drawn.paceMs),
      late: random.pick([0, 0, 0.15]),
      start: new Date(drawn.start),
    }) as fc.Arbitrary<readonly Sent[]>,
    { numRuns: 1, seed },
  );
  // What is left out is not null.
  const without = records.map(({ stream, record }): Sent => {
    const left = Object.entries(record as object).filter(([, value]) => value !== undefined);
    return { stream, record: Object.fromEntries(left) };
  });
  const sent = random.chance(0.15) ? withJunk(without, random) : without;
  return { records: sent, isPlain, isOnTime: isOnTime(drawn, sent) };
}

function valuesOf(
  { of, name, missing, kind }: SourceField,
  { isPlain, keys }: { readonly isPlain: boolean; readonly keys: number },
): fc.Arbitrary<unknown> {
  const value = (): fc.Arbitrary<unknown> => {
    if (of === 'list') return fc.subarray(['x', 'y', 'z']);
    if (kind === 'boolean') return fc.boolean();
    if (of === 'key') {
      const some = fc.nat({ max: keys - 1 });
      return name === 'g' ? some : some.map((at) => 'abcdefgh'[at] ?? `u${at}`);
    }
    if (kind === 'number') {
      const plain = fc.integer({ min: -20, max: 160 }).map((quarters) => quarters / 4);
      return isPlain ? plain : fc.oneof(plain, fc.constantFrom(...wildNumbers));
    }
    const plain = fc.constantFrom('x', 'y', 'z', '');
    return isPlain ? plain : fc.oneof(plain, fc.constantFrom(...wildTexts));
  };
  if (missing === undefined) return value();
  return fc.option(value(), { nil: missing === 'null' ? null : undefined });
}

const wildNumbers = [
  -0,
  0.1,
  -0.3,
  1e300,
  -1e300,
  5e-324,
  2 ** 53,
  -(2 ** 53) - 2,
  1e21,
  123456789.125,
  1.7976931348623157e308,
];
const wildTexts = ['é', 'a=b&c#d%', '\u0000', '𝄞', '\ud800', 'ß', ' ', '10', '9', 'x'.repeat(300), '__proto__'];

function withJunk(records: readonly Sent[], random: Random): readonly Sent[] {
  return records.flatMap((one) => {
    if (!random.chance(0.15)) return [one];
    const junk = random.pick<unknown>([
      'no JSON',
      '{}',
      '{"at":"noon"}',
      '[1]',
      'null',
      { ...(one.record as object), n: 'text' },
    ]);
    return [{ stream: one.stream, record: junk }, one];
  });
}

export function isOnTime({ streams }: Drawn, records: readonly Sent[]): boolean {
  const newest = new Map<string, number>();
  for (const { stream, record } of records) {
    const at = (record as { readonly at?: unknown }).at;
    if (typeof at !== 'number') continue;
    const outOfOrdernessMs = streams.find(({ name }) => name === stream)?.outOfOrdernessMs ?? 0;
    const newestMs = newest.get(stream) ?? Number.NEGATIVE_INFINITY;
    if (at < newestMs - outOfOrdernessMs) return false;
    newest.set(stream, Math.max(newestMs, at));
  }
  return true;
}
