import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CompiledStep } from '#shared/engine/compile/compile.ts';
import { FinalRows } from '#shared/engine/rows/final-rows.ts';
import { compareInOrder, compareTexts, printRows } from '#shared/engine/rows/read.ts';
import { encodeKey } from '#shared/schemas/key.ts';
import { logPosition } from '#shared/schemas/position.ts';
import type { Row } from '#shared/schemas/row.ts';

const plans = {
  windowed: { op: 'aggregate', window: { kind: 'tumbling' }, derived: {} },
  ties: { op: 'top', ties: {} },
  ranked: { op: 'top' },
  joined: { op: 'join' },
  unkeyed: { op: 'select', isKeyed: false },
} as const;

function stepOf(kind: keyof typeof plans): CompiledStep {
  const plan = { id: 'view', ...plans[kind] };
  return { op: plan.op, plan, columns: ['n', 'text'], totals: [] } as unknown as CompiledStep;
}

function rowOf(key: string, startMs: number, endMs: number, columns: Row['columns']): Row {
  const common = { view: 'view', final: true, position: logPosition(1, '1'), expiresMs: 0 };
  return { ...common, key, windowStartMs: startMs, windowEndMs: endMs, columns };
}

const ip = fc.oneof(
  fc.ipV4(),
  fc.constantFrom('a', 'aa', 'é', 'éa', '\0', 'the same start of a long text', 'the same start of a'),
);
const times = fc.constantFrom(-20_000, -10_000, 0, 10_000, 1_700_000_000_000);
const columns = fc.record(
  { n: fc.integer({ min: 0, max: 12 }), text: fc.constantFrom('', 'a', 'b', 'B') },
  { requiredKeys: [], noNullPrototype: true },
);

test.each(['windowed', 'ties', 'joined', 'unkeyed'] as const)(
  'the rows of a view that is %s are in its order, and those of no order by their texts',
  (kind) => {
    const step = stepOf(kind);
    const compare = compareInOrder(step);
    const row = fc
      .tuple(ip, times, fc.constantFrom(0, 10_000, 20_000), columns)
      .map(([ip, startMs, lengthMs, columns]) => rowOf(encodeKey({ ip }), startMs, startMs + lengthMs, columns));
    fc.assert(
      fc.property(fc.array(row, { maxLength: 30 }), (rows) => {
        const finalRows = new FinalRows(step);
        for (const one of rows) finalRows.add(one);
        const sorted = rows
          .map((one) => ({ one, printed: printRows(step, one, {}) }))
          .sort((a, b) => compare(a.one, b.one) || (kind === 'windowed' ? 0 : compareTexts(a.printed, b.printed)));
        expect([...FinalRows.print([finalRows])]).toEqual(sorted.flatMap(({ printed }) => printed));
      }),
      { numRuns: 500 },
    );
  },
);

test('ranked rows are in the order of their ranks, with the columns of their former keys', () => {
  const finalRows = new FinalRows(stepOf('ranked'));
  for (const rank of [10, 2, 1, 9]) {
    const former = rank === 2 ? { zone: 'z', ip: 'b' } : { ip: 'a' };
    finalRows.add(rowOf(encodeKey({ rank }), 0, 10_000, { ...former, n: rank }));
  }
  const bounds = '"windowStart":"1970-01-01T00:00:00.000Z","windowEnd":"1970-01-01T00:00:10.000Z"';
  expect([...FinalRows.print([finalRows])].map((row) => JSON.stringify(row))).toEqual([
    `{"view":"view",${bounds},"final":true,"rank":1,"ip":"a","n":1}`,
    `{"view":"view",${bounds},"final":true,"rank":2,"ip":"b","zone":"z","n":2}`,
    `{"view":"view",${bounds},"final":true,"rank":9,"ip":"a","n":9}`,
    `{"view":"view",${bounds},"final":true,"rank":10,"ip":"a","n":10}`,
  ]);
});
