import { clause, formed, listed, type Piece, word } from './piece.ts';
import {
  type Item,
  isPlain,
  itemPieces,
  type Maker,
  namesOf,
  nothing,
  type Relation,
  type Selected,
  whereOf,
} from './relation.ts';
import { drawValue, type Kind, kinds, type Named } from './values.ts';
import { drawWindow, theirWindow, type Window } from './windows.ts';

interface Aggregate {
  readonly kind: Kind;
  readonly piece: Piece;
}

/** Aggregates of a relation's columns; those of rows that change can be added and counted only. */
function drawAggregate(maker: Maker, of: Relation): Aggregate {
  const value = (kind: string): Piece => drawValue(maker, kind, of, maker.below(3));
  const any = maker.pick(kinds);
  const numeric = maker.pick(['integer', 'decimal', 'double'] as const);
  const made = (kind: Aggregate['kind'], own: string, ...parts: readonly Piece[]): Aggregate => ({
    kind,
    piece: formed(kind, parts, own),
  });
  const timely = (kind: Kind, part: Piece): Aggregate => {
    const [own, theirs] = maker.pick([
      ['FIRST_VALUE', 'arg_min'],
      ['LAST_VALUE', 'arg_max'],
    ] as const);
    return { kind, piece: formed(kind, [part], `${own}({0})`, `${theirs}({0}, ${of.time})`) };
  };
  const added = (): Aggregate =>
    maker.pick([
      () => made('integer', 'COUNT(*)'),
      () => made('integer', 'COUNT({0})', value(any)),
      // Of the 38 digits of a sum of decimals DuckDB drops those behind the point where it meets others.
      () => made(numeric === 'integer' ? numeric : 'inexact', 'SUM({0})', value(numeric)),
      () => made('inexact', 'AVG({0})', value(numeric)),
    ])();
  const spread = (): Piece => drawValue(maker, 'spread', of, 1);
  const [last] = of.unique ?? [];
  const more = (): Aggregate =>
    maker.pick([
      () => made(any, `${maker.pick(['MIN', 'MAX'])}({0})`, value(any)),
      () => made('integer', 'COUNT(DISTINCT {0})', value(any)),
      () => made('boolean', `${maker.pick(['BOOL_AND', 'BOOL_OR'])}({0})`, value('boolean')),
      () =>
        made(
          'inexact',
          `${maker.pick(['VARIANCE', 'VAR_SAMP', 'VAR_POP', 'STDDEV', 'STDDEV_SAMP', 'STDDEV_POP'])}({0})`,
          spread(),
        ),
      () => made('inexact', `${maker.pick(['COVAR_SAMP', 'COVAR_POP'])}({0}, {1})`, spread(), spread()),
      ...(of.hasOneTimeEach === true ? [() => timely(any, value(any))] : []),
      ...(of.unique?.length === 1
        ? [() => made(any, `${maker.pick(['ARG_MIN', 'ARG_MAX'])}({0}, ${last})`, value(any))]
        : []),
    ])();
  const found = of.changes === true || maker.chance(0.5) ? added() : more();
  if (!maker.chance(0.25)) return found;
  return {
    kind: found.kind,
    piece: formed(found.kind, [found.piece, drawValue(maker, 'boolean', of, 1)], '{0} FILTER (WHERE {1})'),
  };
}

function drawKeys(maker: Maker, of: Relation, least: number): readonly Item[] {
  return Array.from({ length: least + maker.below(3) }, (_, at) => {
    const kind = maker.pick(['text', 'text', 'integer', 'boolean', 'decimal', 'timestamp', 'date'] as const);
    // A number alone is the number of a column.
    const piece = maker.chance(0.5) ? columnOf(maker, of, kind) : undefined;
    return {
      name: `g${at}`,
      kind,
      piece: piece ?? formed(kind, [drawValue(maker, kind, of, 1 + maker.below(2))], 'COALESCE({0}, {0})'),
    };
  });
}

function columnOf(maker: Maker, of: Relation, kind: Kind): Piece | undefined {
  const columns = of.columns.filter((column) => column.kind === kind);
  return columns.length === 0 ? undefined : word(kind, maker.pick(columns).name);
}

interface Windows {
  /** What stands in GROUP BY, here and there. */
  readonly by: readonly [own: readonly string[], theirs: readonly string[]];
  /** The bounds, as they are selected. */
  readonly items: readonly Piece[];
  /** They are selected with the time of the windows, which others may be made of. */
  readonly hasTime?: boolean;
}

interface Grouping {
  readonly of: Relation;
  /** As it stands behind FROM. */
  readonly from?: Piece;
  readonly where: Piece;
  readonly keys: readonly Item[];
  readonly windows?: Windows;
  /** Total over all groups, by an aggregate over the groups' ones. */
  readonly total?: (aggregate: () => Piece) => Piece | undefined;
  readonly hasHaving?: boolean;
}

/** Aggregates, and what is computed of them. */
function grouped(maker: Maker, given: Grouping): Selected {
  const { of, from = of.source, where, keys, windows, total, hasHaving = true } = given;
  // DuckDB takes what is selected for what is meant in HAVING, where both have one name.
  const prefix = maker.newName();
  const aggregates = Array.from({ length: 1 + maker.below(3) }, (_, at) => ({
    name: `${prefix}a${at}`,
    ...drawAggregate(maker, of),
  }));
  const exact = aggregates.flatMap(({ kind, ...rest }): readonly Item[] =>
    kind === 'inexact' ? [] : [{ kind, ...rest }],
  );
  const scope = { columns: [...exact, ...keys] };
  const kind = maker.pick(kinds);
  const computed: readonly Item[] = maker.chance(0.4)
    ? [{ name: 'b', kind, piece: drawValue(maker, kind, scope, 2) }]
    : [];
  // What is selected may be named there too.
  const conditioned = maker.chance(0.2) ? { columns: namesOf(exact) } : scope;
  const having =
    hasHaving && maker.chance(0.3) ? clause(drawValue(maker, 'boolean', conditioned, 2), ' HAVING {0}') : nothing;
  const shared = total?.(() => drawValue(maker, maker.pick(['integer', 'decimal', 'double']), of, 1));
  const items = listed([
    ...aggregates.map(({ name, piece }) => formed('item', [piece], `{0} AS ${name}`)),
    ...itemPieces(computed),
    ...(shared === undefined ? [] : [formed('item', [shared], '{0} AS share')]),
    ...(windows?.items ?? []),
  ]);
  const grouping = maker.pick(['values', 'values', 'numbers', 'names']);
  const places = keys.map(({ name }, at) =>
    grouping === 'numbers' ? String(at + 1) : grouping === 'names' ? name : `{${at + 4}}`,
  );
  const selected = keys.map(({ name }, at) => `{${at + 4}} AS ${name}, `).join('');
  const form = (bounds: readonly string[]): string => {
    const by = [...places, ...bounds];
    return `SELECT ${selected}{0} FROM {1}{2}${by.length === 0 ? '' : ` GROUP BY ${by.join(', ')}`}{3}`;
  };
  const [own, theirs] = windows?.by ?? [[], []];
  return {
    query: formed('query', [items, from, where, having, ...keys.map(({ piece }) => piece)], form(own), form(theirs)),
    columns: [
      ...namesOf(keys),
      ...namesOf(exact),
      ...namesOf(computed),
      ...(shared === undefined ? [] : [{ name: 'share', kind: 'double' } as const]),
      ...(windows?.hasTime === true ? [{ name: 'wt', kind: 'timestamp' } as const] : []),
      ...(windows === undefined ? [] : bounds.map((name): Named => ({ name, kind: 'timestamp' }))),
    ],
    ...(windows === undefined ? { changes: true } : { windows: bounds }),
    ...(windows?.hasTime === true ? { time: 'wt' } : {}),
  };
}

const bounds = ['ws', 'we'] as const;

export function selectGroups(maker: Maker, of: Relation, { least = 0, hasShares = false } = {}): Selected {
  const isShare = hasShares && maker.chance(0.4);
  return grouped(maker, {
    of,
    where: whereOf(maker, of.columns),
    keys: drawKeys(maker, of, least),
    ...(isShare ? { total: (value) => share(maker, of, value()) } : {}),
  });
}

/** What a sum makes of the total of all, of which a condition may leave some out. */
function share(maker: Maker, of: Relation, value: Piece, theirFrom = ''): Piece {
  const where = maker.chance(0.4) ? drawValue(maker, 'boolean', of, 1) : word('boolean', 'TRUE');
  const total = maker.pick(['SUM({0})', 'COUNT({0})', 'COUNT(*)']);
  const also =
    theirFrom === '' ? '' : ' AND z.window_start = windowed.window_start AND z.window_end = windowed.window_end';
  return formed(
    'inexact',
    [value, of.source, where],
    `SUM({0}) / (SELECT ${total} FROM {1} WHERE {2})`,
    `SUM({0}) / NULLIF((SELECT ${total} FROM ${theirFrom === '' ? '{1}' : `${theirFrom} AS z`} WHERE {2}${also}), 0)`,
  );
}

/** Rows of windows by these windows again, and by some of what they are told apart by. */
export function selectGroupsAgain(maker: Maker, of: Relation): Selected {
  const by = of.windows ?? [];
  const items = by.map((name, at) => word('item', `${name} AS ${bounds[at]}`));
  const windows = { by: [by, by] as const, items };
  return grouped(maker, { of, where: whereOf(maker, of.columns), keys: drawKeys(maker, of, 0), windows });
}

/** Windows of the time, in GROUP BY. */
export function selectGroupsOfWindows(maker: Maker, of: Relation): Selected {
  const window = drawWindow(maker);
  const call = (bound: string): string => `${window.kind}${bound}(${of.time}, ${window.bounds})`;
  const items = [
    word('item', `${call('_START')} AS ws`, 'window_start AS ws'),
    word('item', `${call('_END')} AS we`, 'window_end AS we'),
  ];
  const hasTime = maker.chance(0.5);
  const time = word('item', `${call('_ROWTIME')} AS wt`, 'window_time AS wt');
  const windows: Windows = {
    by: [[call('')], ['window_start', 'window_end', 'window_time']],
    items: hasTime ? [...items, time] : items,
    hasTime,
  };
  const keys = drawKeys(maker, of, 0);
  const where = whereOf(maker, of.columns);
  const { query, ...rest } = grouped(maker, { of, where, keys, windows });
  // There the windows are made of what WHERE leaves, and the sessions for each group.
  const theirs: Piece['theirs'] = (texts) => {
    const [, from = '', condition = ''] = texts;
    const partition = window.kind === 'SESSION' ? keys.map((_, at) => texts[at + 4] ?? '') : [];
    return query.theirs(
      texts.with(1, theirWindow(window, { from, where: condition, time: of.time as string, partition })).with(2, ''),
    );
  };
  return { ...rest, query: { ...query, theirs } };
}

/** Windows that a function adds to the records of a table. */
export function selectGroupsOfFunction(
  maker: Maker,
  of: Relation,
  { hasShares = false, isCounted = false } = {},
): Selected {
  const window = drawWindow(maker);
  const isSession = window.kind === 'SESSION';
  const texts = of.columns.filter(({ kind }) => kind === 'text').map(({ name }) => name);
  const partition = isSession && texts.length > 0 && maker.chance(0.6) ? [maker.pick(texts)] : [];
  const items = ['window_start', 'window_end'].map((name, at) => word('item', `${name} AS ${bounds[at]}`));
  const hasTime = maker.chance(0.5);
  if (hasTime) items.push(word('item', 'window_time AS wt'));
  const by = [...partition, 'window_start', 'window_end', ...(hasTime ? ['window_time'] : [])];
  const isOver = hasShares && !isSession && maker.chance(0.4);
  const isShare = hasShares && !isCounted && !isSession && !isOver && maker.chance(0.5);
  // A record may be in several windows, or in none before its session ends.
  const knowsWindow = !isShare && window.kind === 'TUMBLE' && maker.chance(0.4);
  const seen: Relation = knowsWindow
    ? {
        ...of,
        columns: [...of.columns, ...['window_start', 'window_end'].map((name): Named => ({ name, kind: 'timestamp' }))],
      }
    : of;
  const from = windowed(window, of, partition);
  const theirFrom = theirWindow(window, { from: '{1}', where: '', time: of.time as string, partition }).replace(
    / AS windowed$/,
    '',
  );
  return grouped(maker, {
    of: seen,
    from,
    // Sessions are those of all records.
    where: isSession ? nothing : whereOf(maker, seen.columns),
    keys: isSession ? [] : drawKeys(maker, seen, 0),
    windows: { by: [by, by], items, hasTime },
    hasHaving: !isOver,
    ...(isOver ? { total: (value) => (isCounted ? counted : over(maker, value())) } : {}),
    ...(isShare ? { total: (value) => share(maker, of, value(), theirFrom) } : {}),
  });
}

/** The share of all records of the window, by which groups may be ranked: it is the same number however it is computed. */
const counted = word('double', 'COUNT(*) / SUM(COUNT(*)) OVER (PARTITION BY window_start, window_end)');

function over(maker: Maker, value: Piece): Piece {
  const form = maker.pick(['SUM(SUM({0}))', 'SUM(COUNT({0}))', 'MAX(MAX({0}))', 'MIN(MIN({0}))']);
  const total = `${form} OVER (PARTITION BY window_start, window_end)`;
  return formed('inexact', [value], `SUM({0}) / ${total}`, `SUM({0}) / NULLIF(${total}, 0)`);
}

/** As it stands behind FROM. */
function windowed(window: Window, of: Relation, partition: readonly string[]): Piece {
  const by = partition.length === 0 ? '' : ` PARTITION BY ${partition.join(', ')}`;
  const theirs = theirWindow(window, { from: '{0}', where: '', time: of.time as string, partition });
  return formed(
    'from',
    [of.source],
    `TABLE(${window.kind}(TABLE {0}${by}, DESCRIPTOR(${of.time}), ${window.bounds}))`,
    theirs,
  );
}

/** Records with the one window that each is in. */
export function selectWindowedRows(maker: Maker, of: Relation): Selected {
  const window = drawWindow(maker, 'TUMBLE');
  const kept = of.columns.filter(
    ({ name }) => of.unique?.includes(name) === true || (isPlain(name) && maker.chance(0.5)),
  );
  const items = [
    ...kept.map(({ name }) => word('item', name)),
    word('item', 'window_start AS ws'),
    word('item', 'window_end AS we'),
  ];
  return {
    query: formed(
      'query',
      [listed(items), windowed(window, of, []), whereOf(maker, of.columns)],
      'SELECT {0} FROM {1}{2}',
    ),
    columns: [...kept, ...bounds.map((name): Named => ({ name, kind: 'timestamp' }))],
    ...(of.unique === undefined ? {} : { unique: of.unique }),
    windows: bounds,
  };
}
