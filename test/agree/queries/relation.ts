import type { Draw } from '#test/fuzz/targets.ts';
import { clause, formed, listed, type Piece, word } from './piece.ts';
import { drawValue, type Kind, kinds, type Named } from './values.ts';

/** A query, and what it gives. */
export interface Selected {
  readonly query: Piece;
  readonly columns: readonly Named[];
  /** Numbers or texts that tell its rows apart, none of which is NULL; undefined where there are none. */
  readonly unique?: readonly string[];
  /** Its event time, which windows are made by. */
  readonly time?: string;
  /** The bounds of the windows that its rows are of. */
  readonly windows?: readonly [start: string, end: string];
  /** Its rows change with every record. */
  readonly changes?: boolean;
  /** No two of its rows are of one time. */
  readonly hasOneTimeEach?: boolean;
}

/** What a query may stand upon. */
export interface Relation extends Omit<Selected, 'query'> {
  /** As it stands behind FROM, without another name. */
  readonly source: Piece;
  /** It is a table, a view or a query of WITH, of which a function makes windows. */
  readonly isNamed: boolean;
}

/** Draws, and names for queries. */
export interface Maker extends Draw {
  readonly newName: () => string;
}

export const nothing = word('nothing', '');

export function stored(name: string, columns: readonly Named[]): Relation {
  return {
    source: word('source', name),
    isNamed: true,
    columns,
    unique: ['id'],
    time: 'ts',
    hasOneTimeEach: name === 'r',
  };
}

/** A query in a query: in parentheses, or with a name, which `named` brings before the query around it. */
export function around(maker: Maker, { query, ...rest }: Selected): Relation {
  const isNamed = maker.chance(0.4);
  const name = maker.newName();
  return { ...rest, isNamed, source: formed('source', [query], isNamed ? `⟦${name}|{0}⟧` : '({0})') };
}

/** The query with those that have names before it. */
export function named(text: string, as: 'WITH' | 'VIEW'): string {
  const found = new Map<string, string>();
  let rest = text;
  for (let before = ''; before !== rest; ) {
    before = rest;
    rest = rest.replaceAll(/⟦(\w+)\|([^⟦⟧]*)⟧/g, (_, name: string, query: string) => {
      found.set(name, query);
      return name;
    });
  }
  if (found.size === 0) return rest;
  if (as === 'VIEW') return [...[...found].map(([name, query]) => `CREATE VIEW ${name} AS ${query};\n`), rest].join('');
  return `WITH ${[...found].map(([name, query]) => `${name} AS (${query})`).join(',\n  ')}\n${rest}`;
}

/** Sometimes a condition. */
export function whereOf(maker: Maker, columns: readonly Named[], chance = 0.4): Piece {
  if (!maker.chance(chance)) return nothing;
  const condition = drawValue(maker, 'boolean', { columns }, 2);
  if (maker.chance(0.4)) return clause(condition, ' WHERE {0}');
  // Of rows that are all left out nothing is learned.
  return clause(
    formed('boolean', [condition, drawValue(maker, 'boolean', { columns }, 1)], '({0} OR {1})'),
    ' WHERE {0}',
  );
}

export interface Item extends Named {
  readonly piece: Piece;
}

function drawItems(
  maker: Maker,
  count: number,
  columns: readonly Named[],
  { depth, prefix = 'c' }: { readonly depth: number; readonly prefix?: string },
): readonly Item[] {
  return Array.from({ length: count }, (_, at) => {
    const kind = maker.pick([...kinds, 'inexact'] as const);
    return { name: `${prefix}${at}`, kind, piece: drawValue(maker, kind, { columns }, depth) };
  });
}

export function itemPieces(items: readonly Item[]): readonly Piece[] {
  return items.map(({ name, piece }) => formed('item', [piece], `{0} AS ${name}`));
}

/** The columns that other queries may make something of. */
export const namesOf = (items: readonly Named[]): readonly Named[] =>
  items.flatMap(({ name, kind }) => (kind === 'inexact' ? [] : [{ name, kind }]));

/** It is a column, and no field of one. */
export const isPlain = (name: string): boolean => !name.includes('.');

/** Some columns of the relation's and some that are computed. */
export function selectRows(maker: Maker, of: Relation): Selected {
  const needed = new Set([...(of.unique ?? []), ...(of.windows ?? []), ...(of.time === undefined ? [] : [of.time])]);
  const kept = of.columns.filter(
    ({ name, kind }) => needed.has(name) || (isPlain(name) && kind !== 'texts' && maker.chance(0.4)),
  );
  const made = drawItems(maker, 1 + maker.below(4), of.columns, { depth: 3, prefix: maker.newName() });
  const items = [...kept.map(({ name }) => word('item', name)), ...itemPieces(made)];
  return {
    ...of,
    query: formed('query', [listed(items), of.source, whereOf(maker, of.columns)], 'SELECT {0} FROM {1}{2}'),
    columns: [...kept, ...namesOf(made)],
  };
}

export function selectDistinct(maker: Maker, of: Relation): Selected {
  const made = drawItems(maker, 1 + maker.below(2), of.columns, { depth: 1 });
  return {
    query: formed(
      'query',
      [listed(itemPieces(made)), of.source, whereOf(maker, of.columns)],
      'SELECT DISTINCT {0} FROM {1}{2}',
    ),
    columns: namesOf(made),
    changes: true,
  };
}

/** Records of several, with the column that tells them apart and their time. */
export function putTogether(maker: Maker, sides: readonly Relation[], kind: 'UNION ALL' | 'UNION'): Selected {
  const columns = Array.from(
    { length: 1 + maker.below(3) },
    (_, at): Named => ({ name: `c${at}`, kind: maker.pick(kinds) }),
  );
  const isAll = kind === 'UNION ALL';
  const queries = sides.map((of, side) => {
    const own = columns.map((column) => ({ ...column, piece: drawValue(maker, column.kind, of, isAll ? 2 : 1) }));
    const kept = isAll ? [word('item', `id * 10 + ${side} AS id`), word('item', 'ts')] : [];
    return formed(
      'query',
      [listed([...kept, ...itemPieces(own)]), of.source, whereOf(maker, of.columns)],
      'SELECT {0} FROM {1}{2}',
    );
  });
  const query = listed(queries, ` ${kind} `);
  if (!isAll) return { query, columns, changes: true };
  const kept: readonly Named[] = [
    { name: 'id', kind: 'integer' },
    { name: 'ts', kind: 'timestamp' },
  ];
  return { query, columns: [...kept, ...columns], unique: ['id'], time: 'ts' };
}

/** Rows of windows of several. */
export function putRowsOfWindowsTogether(maker: Maker, sides: readonly Relation[]): Selected {
  const columns = drawItems(maker, 1 + maker.below(2), [], { depth: 0 }).map(({ name, kind }) => ({ name, kind }));
  const queries = sides.map((of) => {
    const own = columns.map((column) => ({ ...column, piece: drawValue(maker, column.kind, of, 2) }));
    const bounds = (of.windows ?? []).map((name, at) => word('item', `${name} AS ${at === 0 ? 'ws' : 'we'}`));
    return formed(
      'query',
      [listed([...bounds, ...itemPieces(own)]), of.source, whereOf(maker, of.columns)],
      'SELECT {0} FROM {1}{2}',
    );
  });
  const bounds = ['ws', 'we'] as const;
  return {
    query: listed(queries, ' UNION ALL '),
    columns: [...namesOf(columns), ...bounds.map((name): Named => ({ name, kind: 'timestamp' }))],
    windows: bounds,
  };
}

/** Each record with the version that was valid at its time, of the table of versions no two of which are of one time. */
export function joinVersions(maker: Maker, a: Relation, versions: Relation): Selected {
  const kind = maker.pick(['JOIN', 'LEFT JOIN']);
  const both = [...prefixed(a, 'a'), ...prefixed(versions, 'b')];
  const made = drawItems(maker, 1 + maker.below(4), both, { depth: 2 });
  const of = (a.unique ?? []).map((name) => word('item', `a.${name}`));
  const keys = maker.pick(['a.k = b.k', 'b.k = a.k', 'a.j = b.j', 'a.i = b.i', 'a.s = b.s AND a.k = b.k']);
  const parts = [
    listed([...of, ...itemPieces(made)]),
    a.source,
    versions.source,
    word('equal', keys),
    whereOf(maker, both, 0.3),
  ];
  return {
    query: formed(
      'query',
      parts,
      `SELECT {0} FROM {1} AS a ${kind} {2} FOR SYSTEM_TIME AS OF a.ts AS b ON {3}{4}`,
      `SELECT {0} FROM {1} AS a ASOF ${kind} {2} AS b ON {3} AND a.ts >= b.ts{4}`,
    ),
    columns: namesOf(made),
  };
}

/** All records of two that have equal columns, whenever they were. */
export function joinEver(maker: Maker, a: Relation, b: Relation): Selected {
  const both = [...prefixed(a, 'a'), ...prefixed(b, 'b')];
  const made = drawItems(maker, 1 + maker.below(3), both, { depth: 2 });
  const of = [a, b].flatMap((one, at) =>
    (one.unique ?? []).map((name) => word('item', `${'ab'[at]}.${name} AS ${'ab'[at]}_${name}`)),
  );
  const equals = word(
    'equal',
    maker.pick(['a.k = b.k', 'b.j = a.id', 'a.s = b.s AND a.p = b.p', 'a.d = b.d', 'a.i = b.i']),
  );
  const condition = maker.chance(0.5) ? clause(drawValue(maker, 'boolean', { columns: both }, 2), ' AND {0}') : nothing;
  const parts = [listed([...of, ...itemPieces(made)]), a.source, b.source, equals, condition];
  const form = maker.pick([
    'SELECT {0} FROM {1} AS a, {2} AS b WHERE {3}{4}',
    'SELECT {0} FROM {1} AS a JOIN {2} AS b ON {3}{4}',
  ]);
  return { query: formed('query', parts, form), columns: namesOf(made) };
}

function prefixed(of: Relation, name: string): readonly Named[] {
  return of.columns.map((column) => ({ kind: column.kind, name: `${name}.${column.name}` }));
}

/** Records of two relations that lie near each other, or rows of one window. */
export function join(maker: Maker, a: Relation, b: Relation): Selected {
  const [left, right] = [prefixed(a, 'a'), prefixed(b, 'b')];
  const both = [...left, ...right];
  const equal = (): Piece => {
    const one = maker.pick(left.filter(({ kind }) => kind !== 'texts' && right.some((other) => other.kind === kind)));
    const other = maker.pick(right.filter(({ kind }) => kind === one.kind));
    return word('equal', maker.chance(0.5) ? `${one.name} = ${other.name}` : `${other.name} = ${one.name}`);
  };
  const near = nearness(maker, a, b);
  const equals = Array.from({ length: a.windows === undefined ? 1 + maker.below(2) : maker.below(2) }, equal);
  const kind = maker.pick(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN']);
  // Of an outer join a condition on both sides is refused.
  const side = maker.pick([left, right]);
  const column = word('column', maker.pick(side).name);
  const condition = drawValue(maker, 'boolean', { columns: kind === 'JOIN' ? both : side }, 1);
  const on = maker.chance(0.4)
    ? clause(formed('on', [condition, column], '({0} OR {1} IS NULL)'), ' AND {0}')
    : nothing;
  const made = drawItems(maker, 1 + maker.below(4), both, { depth: 2 });
  const of = [...(a.unique ?? []).map((name) => `a.${name}`), ...(b.unique ?? []).map((name) => `b.${name}`)];
  // Both have the same window, so it is that of the side that is always there.
  const always = kind === 'RIGHT JOIN' ? 'b' : 'a';
  const bounds = near.kind === 'windows' && kind !== 'FULL JOIN' ? ((always === 'a' ? a : b).windows ?? []) : [];
  const items = [
    ...of.map((name) => word('item', `${name} AS ${name.replace('.', '_')}`)),
    ...bounds.map((name, at) => word('item', `${always}.${name} AS ${at === 0 ? 'ws' : 'we'}`)),
    ...itemPieces(made),
  ];
  return {
    query: formed(
      'query',
      [listed(items), a.source, b.source, listed([...equals, near], ' AND '), on, whereOf(maker, both, 0.3)],
      `SELECT {0} FROM {1} AS a ${kind} {2} AS b ON {3}{4}{5}`,
    ),
    columns: [
      ...namesOf(made),
      ...(bounds.length === 0 ? [] : (['ws', 'we'] as const)).map((name): Named => ({ name, kind: 'timestamp' })),
    ],
    ...(bounds.length === 0 ? {} : { windows: ['ws', 'we'] as const }),
  };
}

function nearness(maker: Maker, a: Relation, b: Relation): Piece {
  const haveTimes = a.time !== undefined && b.time !== undefined;
  if (a.windows !== undefined && b.windows !== undefined && !(haveTimes && maker.chance(0.3)))
    return word('windows', `a.${a.windows[0]} = b.${b.windows[0]} AND a.${a.windows[1]} = b.${b.windows[1]}`);
  const [one, other] = [`a.${a.time}`, `b.${b.time}`];
  return word(
    'near',
    maker.pick([
      `${other} BETWEEN ${one} AND ${one} + INTERVAL '1' MINUTE`,
      `${other} BETWEEN ${one} - INTERVAL '30' SECOND AND ${one} + INTERVAL '30' SECOND`,
      `${other} > ${one} - INTERVAL '1' MINUTE AND ${other} < ${one}`,
      `${one} <= ${other} AND ${other} <= ${one} + INTERVAL '90' SECOND`,
      `${one} = ${other}`,
    ]),
  );
}

/** The first rows of each group. */
export function selectFirst(maker: Maker, of: Relation, { hasShares = false } = {}): Selected {
  const unique = of.unique ?? [];
  // Where rows may be alike, all that have a number must be shown.
  const rank =
    unique.length === 0
      ? maker.pick(['RANK', 'DENSE_RANK'])
      : maker.pick(['ROW_NUMBER', 'ROW_NUMBER', 'RANK', 'DENSE_RANK']);
  const needed = new Set([...unique, ...(of.windows ?? [])]);
  const kept = of.columns.filter(({ name }) => needed.has(name) || (isPlain(name) && maker.chance(0.3)));
  const order = (): Piece =>
    formed(
      'order',
      [drawValue(maker, `column:${maker.pick(kinds)}`, of, 1)],
      `{0}${maker.pick(['', ' ASC', ' DESC'])}${maker.pick(['', '', ' NULLS FIRST', ' NULLS LAST'])}`,
    );
  const computed = (): Piece =>
    formed('order', [drawValue(maker, maker.pick(kinds), of, 2)], `{0}${maker.pick(['', ' DESC'])}`);
  const orders = Array.from({ length: 1 + maker.below(2) }, () =>
    hasShares || maker.chance(0.7) ? order() : computed(),
  );
  const isOfWindows = of.windows !== undefined && (hasShares || maker.chance(0.7));
  // The total is that of the groups which are numbered together.
  const keys = Array.from({ length: hasShares ? 0 : maker.below(3) }, () =>
    drawValue(maker, maker.pick(kinds), of, maker.below(2)),
  );
  const parts = [...(isOfWindows ? (of.windows ?? []) : []).map((name) => word('bound', name)), ...keys];
  const partition = parts.length === 0 ? nothing : clause(listed(parts), 'PARTITION BY {0} ');
  const limit = maker.pick(['<= 1', '= 1', '<= 2', '< 3', '= 2', '<= 3']);
  const last = rank === 'ROW_NUMBER' ? `, ${unique.join(', ')}` : '';
  const number = maker.newName();
  const shown = listed([...kept.map(({ name }) => word('item', name)), word('item', number)]);
  return {
    query: formed(
      'query',
      [shown, partition, listed(orders), of.source, whereOf(maker, of.columns, hasShares ? 0 : 0.3)],
      `SELECT {0} FROM (SELECT *, ${rank}() OVER ({1}ORDER BY {2}${last}) AS ${number} FROM {3}{4}) WHERE ${number} ${limit}`,
    ),
    columns: [...kept, { name: number, kind: 'integer' satisfies Kind }],
    ...(of.unique === undefined ? {} : { unique }),
    ...(of.windows === undefined || !isOfWindows ? { changes: true } : { windows: of.windows }),
  };
}
