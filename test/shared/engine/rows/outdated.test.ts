import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CompiledAggregate, compile } from '#shared/engine/compile/compile.ts';
import { withoutOutdated } from '#shared/engine/rows/outdated.ts';
import { countWindow, milliseconds, session, type WindowSpec } from '#shared/pipeline/index.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { type Row, rowOrder } from '#shared/schemas/row.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { columns, pipelineOf, readings, sink } from '../../readings.ts';

function stepOf(window: WindowSpec): CompiledAggregate {
  const keyed = readings().keyBy((reading) => ({ key: reading.key }));
  const options = { allowedLateness: milliseconds(0), early: { every: milliseconds(1) } };
  return compile(
    pipelineOf([
      keyed
        .window(window as never, options)
        .aggregate('step', columns)
        .to(sink),
    ]),
  ).steps[0] as CompiledAggregate;
}

const steps = [
  ['sessions', stepOf(session({ gap: milliseconds(10) }))],
  ['sessions with a greatest length', stepOf(session({ gap: milliseconds(10), maxLength: milliseconds(50) }))],
  ['windows of n records', stepOf(countWindow(3))],
] as const;

interface Draft {
  readonly key: number;
  readonly startMs: number;
  readonly lengthMs: number;
  readonly sequence: number;
  readonly kind: 'final' | 'shown' | 'refreshed';
  readonly id: string | undefined;
}

const draft: fc.Arbitrary<Draft> = fc.record({
  key: fc.nat(1),
  startMs: fc.integer({ min: -4, max: 6 }),
  lengthMs: fc.nat(6),
  sequence: fc.nat(5),
  kind: fc.constantFrom('final', 'shown', 'shown', 'refreshed'),
  id: fc.constantFrom(undefined, undefined, '000001', '000002'),
});

function rowOf({ key, startMs, lengthMs, sequence, kind, id }: Draft): Row {
  return {
    view: 'step',
    key: `key=${key}`,
    windowStartMs: startMs,
    windowEndMs: startMs + lengthMs,
    ...(id === undefined ? {} : { id }),
    final: kind === 'final',
    ...(kind === 'shown' ? { provisional: 'shown' } : {}),
    position: logPosition(1, String(sequence)),
    columns: {},
    expiresMs: 1,
  };
}

/** Each row beside each other one. */
function slowly({ plan }: CompiledAggregate, rows: readonly Row[]): readonly Row[] {
  const isOfSame = (one: Row, other: Row): boolean =>
    plan.window.kind === 'count'
      ? other.windowStartMs === one.windowStartMs &&
        (other.windowEndMs > other.windowStartMs + 1 || other.id === one.id)
      : other.windowStartMs <= one.windowStartMs && other.windowEndMs >= one.windowEndMs;
  return rows.filter(
    (row) =>
      row.provisional === undefined ||
      !rows.some((other) => other.key === row.key && isOfSame(row, other) && rowOrder(other) > rowOrder(row)),
  );
}

describe.each(steps)('provisional rows of %s', (_, step) => {
  test(
    'are left out beside newer rows of the same window, and nothing else is',
    () => {
      fc.assert(
        fc.property(fc.array(draft, { maxLength: 14 }), (drafts) => {
          const rows = drafts.map(rowOf);
          expect(withoutOutdated(step, rows)).toEqual(slowly(step, rows));
        }),
        { numRuns: 10_000 },
      );
    },
    fuzzTimeoutMs,
  );

  test('are not compared each with each other', () => {
    const count = 4_096;
    let looks = 0;
    const rows = Array.from({ length: count }, (_, index): Row => {
      const row = rowOf({
        key: 0,
        startMs: step.plan.window.kind === 'count' ? 0 : index * 100,
        lengthMs: 1,
        sequence: index,
        kind: 'shown',
        id: String(index),
      });
      return Object.defineProperty({ ...row }, 'windowEndMs', {
        get: () => {
          looks += 1;
          return row.windowEndMs;
        },
      });
    });
    expect(withoutOutdated(step, rows)).toHaveLength(count);
    expect(looks).toBeLessThan(10 * count);
  });
});
