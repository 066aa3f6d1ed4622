import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CompiledStep } from '#shared/engine/compile/compile.ts';
import { type PrintableRow, RowPrinter } from '#shared/engine/rows/print.ts';
import type { Totals } from '#shared/engine/rows/print-code.ts';
import { type Derived, evaluateDerived, part, rate, ratio, shareOfTotal } from '#shared/pipeline/derive.ts';
import { decodeKey, encodeKey, type KeyColumns } from '#shared/schemas/key.ts';

type Kind = 'windowed' | 'global' | 'ranked' | 'ties' | 'running' | 'joined' | 'selected' | 'unkeyed' | 'in windows';

/** A step as it is printed, with names that no pipeline would allow. */
function stepOf(kind: Kind, columns: readonly string[], derived: Readonly<Record<string, Derived<string>>> = {}) {
  const planOf: Readonly<Record<Kind, object>> = {
    windowed: { op: 'aggregate', window: { kind: 'tumbling' }, derived },
    global: { op: 'aggregate', window: { kind: 'global' }, derived },
    ranked: { op: 'top' },
    ties: { op: 'top', ties: {} },
    running: { op: 'running' },
    joined: { op: 'join' },
    selected: { op: 'select', isKeyed: true },
    unkeyed: { op: 'select', isKeyed: false },
    'in windows': { op: 'select', isKeyed: true, window: { kind: 'tumbling', sizeMs: 10_000 } },
  };
  const plan = { id: 'a-view', ...planOf[kind] };
  return { op: (plan as unknown as { op: string }).op, plan, columns } as unknown as CompiledStep;
}

function rowOf(change: Partial<PrintableRow>): PrintableRow {
  return {
    view: 'a-view',
    key: 'ip=1.2.3.4',
    windowStartMs: 0,
    windowEndMs: 10_000,
    final: true,
    columns: {},
    ...change,
  };
}

function textOf(kind: Kind, columns: readonly string[], row: Partial<PrintableRow>): string {
  return JSON.stringify(new RowPrinter(stepOf(kind, columns)).print(rowOf(row), {}));
}

describe('a row is printed', () => {
  const columns = { b: 1, a: 'x' };
  test.each<[Kind, string]>([
    [
      'windowed',
      '{"view":"a-view","windowStart":"1970-01-01T00:00:00.000Z","windowEnd":"1970-01-01T00:00:10.000Z","final":true,"ip":"1.2.3.4","b":1,"a":"x"}',
    ],
    ['global', '{"view":"a-view","final":true,"ip":"1.2.3.4","b":1,"a":"x"}'],
    [
      'ranked',
      '{"view":"a-view","windowStart":"1970-01-01T00:00:00.000Z","windowEnd":"1970-01-01T00:00:10.000Z","final":true,"ip":"1.2.3.4","b":1,"a":"x"}',
    ],
    [
      'ties',
      '{"view":"a-view","windowStart":"1970-01-01T00:00:00.000Z","windowEnd":"1970-01-01T00:00:10.000Z","final":true,"ip":"1.2.3.4","b":1,"a":"x"}',
    ],
    ['running', '{"view":"a-view","ip":"1.2.3.4","b":1,"a":"x"}'],
    ['joined', '{"view":"a-view","final":true,"ip":"1.2.3.4","b":1,"a":"x"}'],
    ['selected', '{"view":"a-view","final":true,"ip":"1.2.3.4","b":1,"a":"x"}'],
    ['unkeyed', '{"view":"a-view","final":true,"b":1,"a":"x"}'],
    [
      'in windows',
      '{"view":"a-view","windowStart":"1970-01-01T00:00:10.000Z","windowEnd":"1970-01-01T00:00:20.000Z","final":true,"ip":"1.2.3.4","b":1,"a":"x"}',
    ],
  ])('of a step that is %s', (kind, text) => {
    const times = kind === 'in windows' ? { windowStartMs: 12_345, windowEndMs: 12_345 } : {};
    expect(textOf(kind, ['b', 'a'], { columns, ...times })).toBe(text);
  });

  test('with the columns of its former key before those of its step, by name, when it is ranked', () => {
    expect(textOf('ranked', ['n'], { key: 'rank:n=1', columns: { n: 5, zone: 'z', city: 'c' } })).toBe(
      '{"view":"a-view","windowStart":"1970-01-01T00:00:00.000Z","windowEnd":"1970-01-01T00:00:10.000Z","final":true,"rank":1,"city":"c","zone":"z","n":5}',
    );
  });

  test('with its columns in the order of its step, in whatever order a table gives them', () => {
    const given = { columns: { a: 'x', b: 1 } };
    expect(textOf('joined', ['b', 'a'], given)).toBe('{"view":"a-view","final":true,"ip":"1.2.3.4","b":1,"a":"x"}');
    expect(textOf('running', ['b', 'a'], given)).toBe('{"view":"a-view","ip":"1.2.3.4","b":1,"a":"x"}');
  });

  test('with what an earlier plan had behind the columns of its step', () => {
    expect(textOf('running', ['n'], { columns: { gone: true, n: 5 } })).toBe(
      '{"view":"a-view","ip":"1.2.3.4","n":5,"gone":true}',
    );
    expect(textOf('joined', ['n'], { columns: { gone: true, n: 5 } })).toBe(
      '{"view":"a-view","final":true,"ip":"1.2.3.4","n":5}',
    );
  });

  test('without what is undefined, and with what is null', () => {
    expect(textOf('joined', ['a', 'b', 'c'], { columns: { a: undefined, c: null } })).toBe(
      '{"view":"a-view","final":true,"ip":"1.2.3.4","c":null}',
    );
  });

  test('with whole numbers first where they are names, as in every object', () => {
    expect(textOf('joined', ['b', '7', '1'], { columns: { b: 0, 7: 7, 1: 1 } })).toBe(
      '{"1":1,"7":7,"view":"a-view","final":true,"ip":"1.2.3.4","b":0}',
    );
  });

  test('with names that every object has', () => {
    const columns = JSON.parse('{"__proto__":1,"constructor":2,"toString":3}') as Record<string, unknown>;
    const names = ['__proto__', 'constructor', 'toString'];
    expect(textOf('joined', names, { columns })).toBe(
      '{"view":"a-view","final":true,"ip":"1.2.3.4","__proto__":1,"constructor":2,"toString":3}',
    );
    expect(textOf('joined', names, { columns: {} })).toBe('{"view":"a-view","final":true,"ip":"1.2.3.4"}');
  });

  test('with the later value in the earlier place where a name comes twice', () => {
    expect(textOf('joined', ['ip', 'view', 'n'], { columns: { ip: 'other', view: 'mine', n: 1 } })).toBe(
      '{"view":"mine","final":true,"ip":"other","n":1}',
    );
  });

  test('with names that would end the source of a function', () => {
    const name = '"}; throw new Error("no"); //\u2028`$';
    expect(new RowPrinter(stepOf('joined', [name])).print(rowOf({ columns: { [name]: 1 } }), {})[name]).toBe(1);
  });

  test('under a key that nobody has encoded', () => {
    expect(textOf('joined', [], { key: '' })).toBe('{"view":"a-view","final":true,"":""}');
  });
});

/** Column by column, as one would write it down. */
function printNaively(kind: Kind, step: CompiledStep, row: PrintableRow, totals: Totals | undefined): string {
  const printed: Record<string, unknown> = { view: 'a-view' };
  const iso = (timeMs: number): string => new Date(timeMs).toISOString();
  const startMs = kind === 'in windows' ? Math.floor(row.windowStartMs / 10_000) * 10_000 : row.windowStartMs;
  if (['windowed', 'ranked', 'ties', 'in windows'].includes(kind)) {
    printed['windowStart'] = iso(startMs);
    printed['windowEnd'] = iso(kind === 'in windows' ? startMs + 10_000 : row.windowEndMs);
  }
  if (kind !== 'running') printed['final'] = row.final;
  if (kind !== 'unkeyed') Object.assign(printed, decodeKey(row.key));
  const others = Object.keys(row.columns).filter((name) => !step.columns.includes(name));
  const shown =
    kind === 'ranked'
      ? [...others.sort(), ...step.columns]
      : [...step.columns, ...(['windowed', 'ties', 'running'].includes(kind) ? others : [])];
  for (const name of shown)
    if (Object.hasOwn(row.columns, name) && row.columns[name] !== undefined) printed[name] = row.columns[name];
  const derived = (step.plan as unknown as { derived?: Record<string, Derived<string>> }).derived ?? {};
  for (const [name, one] of Object.entries(derived)) {
    if (one.kind === 'share-of-total' && totals === undefined) continue;
    const windowMs = row.windowEndMs - row.windowStartMs;
    printed[name] = evaluateDerived(one, { row: row.columns, totals: totals ?? {}, windowMs });
  }
  return JSON.stringify(printed);
}

const keyValue = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
);
const keyColumns = fc.dictionary(fc.constantFrom('ip', 'n', 'zone', 'constructor'), keyValue, {
  minKeys: 1,
  noNullPrototype: true,
});
const value = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constantFrom(null, true, undefined, { p50: 3 }));
const own = ['requests', 'bytes', 'toString', '3', 'latency'];
const columns = fc.record(
  { requests: value, bytes: value, toString: value, '3': value, latency: value, gone: value, former: value },
  { requiredKeys: [], noNullPrototype: true },
);
const row = fc.record({
  columns: keyColumns,
  own: columns,
  startMs: fc.integer({ min: -1e12, max: 1e12 }),
  lengthMs: fc.constantFrom(0, 1, 10_000),
  final: fc.boolean(),
});
const kinds: readonly Kind[] = [
  'windowed',
  'global',
  'ranked',
  'ties',
  'running',
  'joined',
  'selected',
  'unkeyed',
  'in windows',
];

describe('a printer gives the row that is written down column by column', () => {
  test.each(kinds)('of a step that is %s, from a row and from lists of values', (kind) => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 12 }), (rows) => {
        const step = stepOf(kind, own);
        const printer = new RowPrinter(step);
        for (const { columns, own: values, startMs, lengthMs, final } of rows) {
          const key = encodeKey(columns as KeyColumns);
          const bounds = { windowStartMs: startMs, windowEndMs: startMs + lengthMs };
          const printable = rowOf({ key, ...bounds, final, columns: values });
          const text = printNaively(kind, step, printable, {});
          expect(JSON.stringify(printer.print(printable, {}))).toBe(text);
          const lists = own.map((name) => ['another', Object.hasOwn(values, name) ? Object(values)[name] : undefined]);
          const head = printer.headOf(printable, {});
          expect(JSON.stringify(printer.printAt(head, key, lists, 1, printer.othersOf(values)))).toBe(text);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('with derived columns, of which shares are left out where the totals are not known', () => {
    const derived = {
      share: shareOfTotal('bytes'),
      partial: shareOfTotal('latency.p50'),
      each: ratio('bytes', 'requests'),
      perSecond: rate('requests'),
      p50: part('latency.p50'),
    };
    const number = fc.oneof(fc.integer(), fc.double(), fc.constant(0));
    const given = fc.record({ requests: number, bytes: number, latency: fc.constantFrom(null, { p50: 2 }, {}) });
    fc.assert(
      fc.property(
        given,
        fc.option(given, { nil: undefined }),
        fc.constantFrom(0, 1, 60_000),
        (own, totals, lengthMs) => {
          const step = stepOf('windowed', ['requests', 'bytes', 'latency'], derived);
          const printable = rowOf({ windowEndMs: lengthMs, columns: own });
          expect(JSON.stringify(new RowPrinter(step).print(printable, totals as Totals | undefined))).toBe(
            printNaively('windowed', step, printable, totals as Totals | undefined),
          );
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('of keys whose columns are told by records, however many there are', () => {
    const printer = new RowPrinter(stepOf('joined', ['n']));
    for (let number = 0; number < 300; number += 1) {
      const key = encodeKey({ [`column${number % 150}`]: number, also: 'a' });
      expect(JSON.stringify(printer.print(rowOf({ key, columns: { n: number } }), {}))).toBe(
        `{"view":"a-view","final":true,"also":"a","column${number % 150}":${number},"n":${number}}`,
      );
    }
  });
});

test('a derived column of a column that a row lacks is an Error that names it', () => {
  const printer = new RowPrinter(stepOf('windowed', ['bytes'], { share: shareOfTotal('bytes') }));
  expect(() => printer.print(rowOf({ columns: {} }), { bytes: 1 })).toThrow('needs "bytes", which is not there');
  expect(() => printer.print(rowOf({ columns: { bytes: 1 } }), {})).toThrow('needs "bytes", which is not there');
});
