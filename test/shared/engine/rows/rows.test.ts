import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CompiledStep, compile } from '#shared/engine/compile/compile.ts';
import { compareRows, timeOfRow, valueOfRow, watermarkOfRows } from '#shared/engine/rows/rows.ts';
import { createOperator } from '#shared/engine/slots/memory-stage.ts';
import {
  type AnyOutput,
  countWindow,
  type JoinKind,
  milliseconds,
  session,
  sliding,
  tumbling,
} from '#shared/pipeline/index.ts';
import { logPosition } from '#shared/schemas/position.ts';
import { endOfStreamMs } from '#shared/schemas/punctuation.ts';
import type { Row } from '#shared/schemas/row.ts';
import { fuzzTimeoutMs } from '../../fuzz.ts';
import { columns, pipelineOf, readings, sink } from '../../readings.ts';
import { inputOf, keyAs, shownBy } from '../operators/operators.ts';

const keyed = readings().keyBy((reading) => ({ key: reading.key }));
const others = readings({ name: 'others' }).keyBy((reading) => ({ key: reading.key }));

function stepOf(output: AnyOutput): CompiledStep {
  return compile(pipelineOf([output])).steps.at(-1) as CompiledStep;
}

function windowed(sizeMs: number, everyMs: number, lateness: number): CompiledStep {
  return stepOf(
    keyed
      .window(sliding(milliseconds(sizeMs), { every: milliseconds(everyMs) }), {
        allowedLateness: milliseconds(lateness),
        emit: 'on-close',
      })
      .aggregate('view', columns)
      .to(sink),
  );
}

function sessions(gap: number, lateness: number): CompiledStep {
  return stepOf(
    keyed
      .window(session({ gap: milliseconds(gap) }), { allowedLateness: milliseconds(lateness) })
      .aggregate('view', columns)
      .to(sink),
  );
}

function joined(kind: JoinKind, from: number, to: number, lateness: number): CompiledStep {
  return stepOf(
    keyed
      .join(others, { within: [milliseconds(from), milliseconds(to)], kind, allowedLateness: milliseconds(lateness) })
      .select('view', { left: { l: (reading) => reading.amount }, right: { r: (reading) => reading.amount } })
      .to(sink),
  );
}

/** Emits for each record, and for a timer behind it. */
function processed(timerMs: number, lateness: number): CompiledStep {
  return stepOf(
    keyed
      .process('view', {
        columns: { amount: (reading) => reading.amount },
        emits: { at: 'number' },
        state: () => 0,
        onEvent: (_, { timeMs, emit, setTimer }) => {
          emit({ at: timeMs });
          setTimer(timeMs + timerMs);
        },
        onTimer: (timeMs, { emit }) => emit({ at: timeMs }),
        ttl: milliseconds(20),
        allowedLateness: milliseconds(lateness),
      })
      .to(sink),
  );
}

const small = (min: number, max: number) => fc.integer({ min, max });
const steps: fc.Arbitrary<CompiledStep> = fc.oneof(
  fc
    .tuple(small(1, 12), small(1, 12), small(0, 5))
    .map(([a, b, lateness]) => windowed(Math.max(a, b), Math.min(a, b), lateness)),
  fc.tuple(small(1, 8), small(0, 5)).map(([gap, lateness]) => sessions(gap, lateness)),
  fc
    .tuple(fc.constantFrom(countWindow(2), session({ gap: milliseconds(4), maxLength: milliseconds(7) })), small(0, 5))
    .map(([window, lateness]) =>
      stepOf(
        keyed
          .window(window, { allowedLateness: milliseconds(lateness) })
          .aggregate('view', columns)
          .to(sink),
      ),
    ),
  fc.tuple(small(1, 9), small(0, 5)).map(([timerMs, lateness]) => processed(timerMs, lateness)),
  fc
    .tuple(fc.constantFrom('inner', 'left', 'full' as const), small(-6, 6), small(0, 8), small(0, 5))
    .map(([kind, from, length, lateness]) => joined(kind as JoinKind, from, from + length, lateness)),
);

describe('the watermark of rows', () => {
  test('is never above a row that is still to come, whatever comes', { timeout: fuzzTimeoutMs }, () => {
    const events = fc.array(
      fc.record({ timeMs: small(-20, 60), risesMs: small(0, 9), side: fc.boolean(), key: fc.constantFrom('a', 'b') }),
      { maxLength: 15 },
    );
    fc.assert(
      fc.property(steps, events, (step, given) => {
        const operator = createOperator(step);
        let watermarkMs = -40;
        let promisedMs = Number.NEGATIVE_INFINITY;
        for (const [index, { timeMs, risesMs, side, key }] of [...given, endOfInput].entries()) {
          const routes = step.op === 'join' ? [step.left.route, step.right.route] : [];
          const route = step.op === 'process' ? step.inputs[0]?.route : routes[side ? 0 : 1];
          const from = { route: route ?? '', origin: 'o', sequence: index, sub: 0 };
          if (timeMs < 1_000)
            operator.add(inputOf({ key: keyAs(`key=${key}`), timeMs, values: [1, 1], watermarkMs, ...from }));
          watermarkMs += risesMs;
          const context = { slot: 0, position: logPosition(1, '1'), clockMs: 0 };
          const emission = shownBy((into) => operator.advance(watermarkMs, context, into));
          for (const row of emission.rows) expect(timeOfRow(step, row)).toBeGreaterThanOrEqual(promisedMs);
          promisedMs = watermarkOfRows(step, watermarkMs);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test.each([
    // W 22 has closed [0, 10) with lateness 3, and not [10, 20), whose row is at 19.
    ['tumbling', windowed(10, 10, 3), 22, 19],
    ['tumbling', windowed(10, 10, 3), 23, 29],
    ['sliding', windowed(10, 5, 0), 14, 14],
    ['sliding', windowed(10, 5, 0), 15, 19],
    ['tumbling', windowed(10, 10, 0), -1, -1],
    ['sessions', sessions(4, 2), 20, 18],
    // A session that ends at W is still open.
    ['sessions', sessions(4, 0), 20, 19],
    ['process', processed(5, 2), 20, 18],
    ['inner join', joined('inner', -5, 7, 2), 20, 18],
    ['left join', joined('left', -5, 7, 2), 20, 11],
    ['full join', joined('full', -9, 7, 2), 20, 9],
  ])('of %s is as high as it can be', (_, step, watermarkMs, expected) => {
    expect(watermarkOfRows(step, watermarkMs)).toBe(expected);
  });

  test('has no end at the end of the input', () => {
    expect(watermarkOfRows(windowed(10, 10, 3), Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    expect(watermarkOfRows(windowed(10, 10, 3), endOfStreamMs)).toBe(endOfStreamMs);
    expect(watermarkOfRows(sessions(1, 0), Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
  });
});

/** Closes everything. */
const endOfInput = { timeMs: 1_000, risesMs: 1_000, side: true, key: 'a' };

function rowOf(changes: Partial<Row>): Row {
  const bounds = { windowStartMs: 0, windowEndMs: 10 };
  return {
    view: 'view',
    key: 'key=a',
    ...bounds,
    final: true,
    position: logPosition(1, '1'),
    columns: {},
    expiresMs: 0,
    ...changes,
  };
}

test('rows of a block are in the order of window start, window end, key and id', () => {
  const rows = [
    rowOf({ windowStartMs: -5 }),
    rowOf({ windowEndMs: 9, key: 'key=z' }),
    rowOf({ id: '1' }),
    rowOf({ id: '2' }),
    rowOf({ key: 'key=b' }),
  ];
  expect(rows.toReversed().sort(compareRows)).toEqual(rows);
});

test('a joined row is a record at the later of its times, which are dates or null', () => {
  const step = joined('full', 0, 10, 0);
  const row = rowOf({
    windowStartMs: 3,
    windowEndMs: 7,
    id: '1',
    columns: { leftTime: '1970-01-01T00:00:00.007Z', rightTime: null, l: 1, r: null },
  });
  expect(timeOfRow(step, row)).toBe(7);
  expect(valueOfRow(step, row)).toEqual({ key: 'a', leftTime: new Date(7), rightTime: null, l: 1, r: null });
});

test('an emitted row is a record at its time, which is a date', () => {
  const row = rowOf({
    windowStartMs: 7,
    windowEndMs: 7,
    id: '000000',
    columns: { time: '1970-01-01T00:00:00.007Z', at: 7 },
  });
  expect(timeOfRow(processed(5, 2), row)).toBe(7);
  expect(valueOfRow(processed(5, 2), row)).toEqual({ key: 'a', time: new Date(7), at: 7 });
});

test('tumbling windows are sliding ones that do not overlap', () => {
  const options = { allowedLateness: milliseconds(1), emit: 'on-close' } as const;
  const step = stepOf(
    keyed
      .window(tumbling(milliseconds(7)), options)
      .aggregate('view', columns)
      .to(sink),
  );
  for (let at = -30; at < 30; at += 1) expect(watermarkOfRows(step, at)).toBe(watermarkOfRows(windowed(7, 7, 1), at));
});
