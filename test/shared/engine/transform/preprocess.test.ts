import { describe, expect, test } from 'vitest';
import { compile } from '#shared/engine/compile/compile.ts';
import { Preprocessor } from '#shared/engine/transform/preprocess.ts';
import { type AnyOutput, count, max, milliseconds, rate, sum, tumbling } from '#shared/pipeline/index.ts';
import type { Placement } from '#shared/pipeline/placement.ts';
import { columns, pipelineOf, type Reading, readings, sink } from '../../readings.ts';

type Source = ReturnType<typeof readings>;

function step(name: string, stream: ReturnType<Source['filter']>, placement: Placement = 'lambda'): AnyOutput {
  return stream
    .keyBy((reading) => ({ key: reading.key }))
    .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), placement })
    .aggregate(name, columns)
    .to(sink);
}

function preprocessor(...outputs: readonly AnyOutput[]): Preprocessor {
  const pipeline = compile(pipelineOf(outputs));
  const [source] = pipeline.sources.values();
  return new Preprocessor(pipeline, source as NonNullable<typeof source>);
}

/** `route key amount` of each output. */
function staged(made: Preprocessor): readonly string[] {
  return made.outputs
    .slice(0, made.outputCount)
    .map(({ route, key, values }) => `${route.id.replace('readings/', '')} ${key.text} ${values[0]}`);
}

const reading: Reading = { at: 1, key: 'k', amount: 5 };

function bad(claim: string): never {
  throw new Error(claim);
}

describe('a record', () => {
  test('becomes one output for each keyBy', () => {
    const source = readings();
    const made = preprocessor(step('a', source), step('b', source));
    made.takeValue(reading);
    expect(staged(made)).toEqual(['key key=k 5', 'key-2 key=k 5']);
  });

  test('that a filter drops becomes nothing, and is not rejected', () => {
    const made = preprocessor(
      step(
        'a',
        readings().filter((one) => one.amount > 9),
      ),
    );
    expect([made.takeValue(reading).kind, made.outputCount]).toEqual(['decoded', 0]);
  });

  test('is taken part by part through all branches behind a flatMap', () => {
    const parts = readings().flatMap((one) => ['x', 'y'].map((tag) => ({ ...one, key: tag })));
    const made = preprocessor(
      step('a', parts),
      step(
        'b',
        parts.filter((one) => one.key === 'y'),
      ),
    );
    made.takeValue(reading);
    expect(staged(made)).toEqual(['flatMap/key key=x 5', 'flatMap/key key=y 5', 'flatMap/filter/key key=y 5']);
  });

  test('is taken through very many flatMaps, each in the list of the one before', () => {
    let parts: Source | ReturnType<Source['filter']> = readings();
    for (let depth = 0; depth < 600; depth += 1) parts = parts.flatMap((one) => [one]);
    const made = preprocessor(step('a', parts));
    expect([made.takeValue(reading).kind, made.outputCount]).toEqual(['decoded', 1]);
  });

  test('keeps the event time of the source, whatever map makes of it', () => {
    const made = preprocessor(
      step(
        'a',
        readings().map((one) => ({ ...one, at: 99 })),
      ),
    );
    expect(made.takeValue(reading)).toMatchObject({ kind: 'decoded', timeMs: 1 });
  });

  test('runs a shared callback once', () => {
    let calls = 0;
    const shared = readings().map((one) => {
      calls += 1;
      return one;
    });
    preprocessor(
      step('a', shared),
      step(
        'b',
        shared.filter(() => true),
      ),
    ).takeValue(reading);
    expect(calls).toBe(1);
  });

  test('selects once for two columns with one aggregator', () => {
    let calls = 0;
    const shared = sum((one: Reading) => {
      calls += 1;
      return one.amount;
    });
    const output = readings()
      .keyBy((one) => ({ key: one.key }))
      .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
      .aggregate('a', { first: shared, second: shared, n: count() })
      .to(sink);
    preprocessor(output).takeValue(reading);
    expect(calls).toBe(1);
  });
});

describe('shares', () => {
  test('are the pairs of output and stage', () => {
    const keyed = readings().keyBy((one) => ({ key: one.key }));
    const output = (name: string, placement: Placement): AnyOutput =>
      keyed
        .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0), placement })
        .aggregate(name, columns)
        .to(sink);
    const made = preprocessor(output('a', 'lambda'), output('b', 'fargate'), output('c', 'fargate'));
    made.takeValue(reading);
    expect([made.outputCount, made.shares]).toEqual([1, 2]);
  });

  test('are counted anew for each record', () => {
    const made = preprocessor(
      step(
        'a',
        readings().flatMap((one) => (one.tags ?? []).map(() => one)),
      ),
    );
    const sharesOf = (...tags: readonly string[]): number => {
      made.takeValue({ ...reading, tags });
      return made.shares;
    };
    expect([sharesOf('x', 'y'), sharesOf('x'), sharesOf()]).toEqual([2, 1, 0]);
  });
});

describe('a record is taken whole or not at all', () => {
  const source = readings();

  test.each<readonly [string, AnyOutput, string]>([
    [
      'a filter',
      step(
        'b',
        source.filter(() => bad('no')),
      ),
      'readings/filter threw: no',
    ],
    [
      'a map',
      step(
        'b',
        source.map(() => bad('no')),
      ),
      'readings/map threw: no',
    ],
    [
      'a flatMap',
      step(
        'b',
        source.flatMap(() => bad('no')),
      ),
      'readings/flatMap threw: no',
    ],
  ])('when %s of the second branch throws', (_, throwing, message) => {
    const made = preprocessor(step('a', source), throwing);
    expect(made.takeValue(reading)).toMatchObject({
      kind: 'rejected',
      reason: 'threw',
      message: expect.stringContaining(message),
      eventTimeMs: 1,
    });
    expect(made.outputCount).toBe(0);
  });

  test.each<readonly [string, unknown]>([
    ['5', 5],
    ['undefined', undefined],
    ['an object', new Set(['x'])],
    ['the string "no list"', 'no list'],
    ['the string ""', ''],
  ])('when a flatMap gives %s', (given, parts) => {
    const made = preprocessor(
      step('a', source),
      step(
        'b',
        source.flatMap(() => parts as never),
      ),
    );
    expect(made.takeValue(reading)).toMatchObject({
      kind: 'rejected',
      reason: 'invalid',
      message: `readings/flatMap gave ${given}; it must give a list, such as [record], or [] for none`,
      step: 'readings/flatMap',
    });
    expect(made.outputCount).toBe(0);
  });

  const later = (): never => Promise.reject(new Error('it failed')) as never;
  test.each([
    ['filter', source.filter(later)],
    ['map', source.map(later)],
    ['flatMap', source.flatMap(() => [later()] as never)],
  ])('when a %s gives a promise', (op, given) => {
    const made = preprocessor(step('a', source), step('b', given as typeof source));
    expect(made.takeValue(reading)).toMatchObject({
      kind: 'rejected',
      reason: 'invalid',
      message: `readings/${op} gave a promise, which is not waited for; look things up with enrich instead`,
    });
    expect(made.outputCount).toBe(0);
  });

  test('when keyBy throws', () => {
    const output = source
      .keyBy(() => bad('no key'))
      .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
      .aggregate('b', columns)
      .to(sink);
    expect(preprocessor(output).takeValue(reading)).toMatchObject({
      reason: 'threw',
      message: 'readings/key threw: no key',
    });
  });

  test('when a key cannot be one', () => {
    const output = source
      .keyBy((one) => ({ amount: one.amount / 0 }))
      .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
      .aggregate('b', columns)
      .to(sink);
    expect(preprocessor(output).takeValue(reading)).toMatchObject({
      reason: 'invalid',
      message: expect.stringContaining('key column amount is Infinity'),
    });
  });

  test.each(['view', 'windowStart', 'windowEnd', 'final', 'requests', 'busiest', 'rate', 'Rate', 'TAG'])(
    'when the key has a column %s, which its rows have already',
    (column) => {
      // A dictionary's names are known when it is there; the types refuse the others.
      const keyed = source.keyBy((one): Record<string, string | number> => ({ tag: one.key, [one.key]: 1 }));
      const window = keyed.window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) });
      const made = preprocessor(
        window
          .aggregate('a', columns)
          .derive({ rate: rate('requests') })
          .to(sink),
        window.aggregate('b', { busiest: max((one) => one.amount) }).to(sink),
      );
      expect(made.takeValue({ ...reading, key: column })).toMatchObject({
        reason: 'invalid',
        message: `key column ${column} has the name of another column of its rows; rename one of them`,
        step: 'readings/key',
      });
      expect(made.takeValue({ ...reading, key: 'other' })).toMatchObject({ kind: 'decoded' });
      expect(staged(made)).toEqual(['key other:n=1&tag=other 5']);
    },
  );

  test('when a value cannot be aggregated, naming step and column', () => {
    const output = source
      .keyBy((one) => ({ key: one.key }))
      .window(tumbling(milliseconds(10)), { allowedLateness: milliseconds(0) })
      .aggregate('b', { total: sum((one) => one.amount / 0) })
      .to(sink);
    expect(preprocessor(output).takeValue(reading)).toMatchObject({
      reason: 'invalid',
      message: expect.stringContaining('b.total: Infinity is not a finite number'),
    });
  });

  test('when a callback throws what is no Error', () => {
    const made = preprocessor(
      step(
        'b',
        source.map(() => {
          throw 'text';
        }),
      ),
    );
    expect(made.takeValue(reading)).toMatchObject({ reason: 'threw', message: 'readings/map threw: text' });
  });

  test('and the next record is whole again', () => {
    const made = preprocessor(
      step(
        'b',
        source.map((one) => (one.amount > 9 ? bad('large') : one)),
      ),
    );
    made.takeValue({ ...reading, amount: 10 });
    made.takeValue(reading);
    expect(staged(made)).toEqual(['map/key key=k 5']);
  });
});
