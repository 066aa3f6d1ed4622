import type { Draw } from '#test/fuzz/targets.ts';
import type { Kind, Scope } from './values.ts';

type Scalar = string | number | boolean | null;
export type Cell = Scalar | readonly Scalar[] | Readonly<Record<string, Scalar>>;
export type Row = Readonly<Record<string, Cell>>;

/** The columns of each table that queries read, in the words of Millrace and of DuckDB. */
export const columns: readonly {
  readonly name: string;
  /** Undefined of what only its fields are named of. */
  readonly kind?: Kind;
  readonly own: string;
  readonly theirs: string;
}[] = [
  { name: 'id', kind: 'integer', own: 'INT NOT NULL', theirs: 'BIGINT' },
  { name: 'k', kind: 'text', own: 'STRING NOT NULL', theirs: 'VARCHAR' },
  { name: 'i', kind: 'integer', own: 'BIGINT', theirs: 'BIGINT' },
  { name: 'j', kind: 'integer', own: 'INT NOT NULL', theirs: 'BIGINT' },
  { name: 'm', kind: 'decimal', own: 'DECIMAL(10, 2)', theirs: 'DECIMAL(10, 2)' },
  { name: 'x', kind: 'double', own: 'DOUBLE', theirs: 'DOUBLE' },
  { name: 's', kind: 'text', own: 'STRING', theirs: 'VARCHAR' },
  { name: 'p', kind: 'boolean', own: 'BOOLEAN', theirs: 'BOOLEAN' },
  { name: 'ts', kind: 'timestamp', own: 'TIMESTAMP(3) NOT NULL', theirs: 'TIMESTAMP' },
  { name: 'u', kind: 'timestamp', own: 'TIMESTAMP(3)', theirs: 'TIMESTAMP' },
  { name: 'd', kind: 'date', own: 'DATE', theirs: 'DATE' },
  { name: 'tags', kind: 'texts', own: 'ARRAY<STRING>', theirs: 'VARCHAR[]' },
  { name: 'o', own: 'ROW<a INT, b STRING>', theirs: 'STRUCT(a BIGINT, b VARCHAR)' },
];

export const tableScope: Scope = {
  columns: [
    ...columns.flatMap(({ name, kind }) => (kind === undefined ? [] : [{ name, kind }])),
    { name: 'o.a', kind: 'integer' },
    { name: 'o.b', kind: 'text' },
  ],
};

const values = {
  i: [-7, -1, 0, 1, 2, 3, 12, 1_000_003, -2_147_483_649],
  j: [-2, 0, 1, 1, 2, 5],
  m: [0, 0.01, -0.05, 1.5, -2.25, 2.5, 19.99, 999.99, 0.1, -3],
  x: [0, 0.5, -2.25, 1e3, 0.1, 1e-5, 2.5, 3.5, -0.5, 123_456_789.125],
  s: [
    '',
    'x',
    'a',
    'abc',
    ' aB,c ',
    '42',
    'Ünï',
    '%_',
    "it's",
    '😀b',
    '-3.5',
    'true',
    '2024-02-29',
    'a\nb',
    ' 7 ',
    '1e3',
  ],
  u: [
    '1969-07-20T20:17:40.000Z',
    '1999-12-31T23:59:59.999Z',
    '2024-02-29T00:00:00.000Z',
    '2024-01-31T12:30:15.125Z',
    '2026-12-31T00:00:00.001Z',
  ],
  d: ['1969-12-31', '2023-12-31', '2024-01-01', '2024-02-29', '2025-03-31'],
} as const;

const starts = [
  Date.UTC(1969, 11, 31, 23, 57),
  Date.UTC(2023, 11, 31, 23, 58),
  Date.UTC(2024, 1, 28, 23, 57),
  Date.UTC(2026, 10, 21, 9),
  Date.UTC(2026, 1, 28, 23, 59),
];

/** Records of one table in no order, some of them of one time or none. */
export function drawRows(draw: Draw, { hasTies }: { readonly hasTies: boolean }): readonly Row[] {
  const start = draw.pick(starts);
  const count = draw.chance(0.05) ? 0 : 1 + draw.below(24);
  const drawn = (): number => start + draw.below(7) * 30_000 + draw.pick([0, 0, 1, -1, 9_999, 10_000]);
  const times: number[] = [];
  while (times.length < count) {
    const time = drawn();
    if (hasTies || !times.includes(time)) times.push(time);
  }
  const some = (from: readonly Scalar[]): Scalar => (draw.chance(0.15) ? null : draw.pick(from));
  return Array.from({ length: count }, (_, id) => ({
    id,
    k: draw.pick(['a', 'b', 'c']),
    i: some(values.i),
    j: draw.pick(values.j),
    m: some(values.m),
    x: some(values.x),
    s: some(values.s),
    p: some([true, false]),
    ts: new Date(times[id] as number).toISOString(),
    u: some(values.u),
    d: some(values.d),
    tags: draw.chance(0.2) ? null : Array.from({ length: draw.below(4) }, () => some(['x', 'a', ''])),
    o: draw.chance(0.2) ? null : { a: some([1, 2, -3]), b: some(['x', 'y', '12']) },
  }));
}

export function ownTable(name: string): string {
  const all = columns.map((column) => `${column.name} ${column.own}`).join(', ');
  return `CREATE TABLE ${name} (${all}, WATERMARK FOR ts AS ts - INTERVAL '1' DAY) WITH ('connector' = 'kinesis');`;
}

export function theirTable(name: string, rows: readonly Row[]): readonly string[] {
  const all = columns.map((column) => `${column.name} ${column.theirs}`).join(', ');
  const texts = rows.map((row) => `(${columns.map((column) => literal(row[column.name] ?? null)).join(', ')})`);
  return [
    `CREATE OR REPLACE TABLE ${name} (${all})`,
    ...(texts.length === 0 ? [] : [`INSERT INTO ${name} VALUES ${texts.join(',\n  ')}`]),
  ];
}

function literal(value: Cell): string {
  if (value === null) return 'NULL';
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value === 'object')
    return `{${Object.entries(value)
      .map(([name, field]) => `${name}: ${literal(field)}`)
      .join(', ')}}`;
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : `${value}::DOUBLE`;
  return typeof value === 'string' ? `'${value.replaceAll("'", "''").replace(/Z$/, '')}'` : String(value);
}
