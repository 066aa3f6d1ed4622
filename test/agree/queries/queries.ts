import type { Draw } from '#test/fuzz/targets.ts';
import type { Case } from './compare.ts';
import {
  selectGroups,
  selectGroupsAgain,
  selectGroupsOfFunction,
  selectGroupsOfWindows,
  selectWindowedRows,
} from './groups.ts';
import { clause, formed, ownText, type Piece, word } from './piece.ts';
import {
  around,
  join,
  joinEver,
  joinVersions,
  type Maker,
  nothing,
  putRowsOfWindowsTogether,
  putTogether,
  type Relation,
  type Selected,
  selectDistinct,
  selectFirst,
  selectRows,
  stored,
} from './relation.ts';
import { drawRows, tableScope } from './tables.ts';

/** Queries by what they end with, upon so many others at most. */
const shapes = {
  rows: (maker, depth) => selectRows(maker, anyOf(maker, depth)),
  distinct: (maker, depth) => selectDistinct(maker, maker.chance(0.7) ? timed(maker, depth) : anyOf(maker, depth)),
  groups: (maker, depth) => selectGroups(maker, finalOf(maker, depth)),
  // Of which it is known how the total is asked for.
  shares: (maker, depth) => shares(maker, depth),
  windows: (maker, depth) => selectGroupsOfWindows(maker, withTime(maker, depth)),
  function: (maker, depth) => selectGroupsOfFunction(maker, withTime(maker, depth, true)),
  again: (maker, depth) => selectGroupsAgain(maker, windowedOf(maker, depth)),
  againTogether: (maker, depth) => {
    const one = windowedOf(maker, depth);
    const sides = [one, maker.chance(0.5) ? one : windowedOf(maker, depth)];
    return selectGroupsAgain(maker, around(maker, putRowsOfWindowsTogether(maker, sides)));
  },
  firstShares: (maker, depth) =>
    selectFirst(
      maker,
      around(maker, selectGroupsOfFunction(maker, timed(maker, depth, true), { hasShares: true, isCounted: true })),
      { hasShares: true },
    ),
  changes: (maker, depth) => selectGroups(maker, changing(maker, depth)),
  first: (maker, depth) => selectFirst(maker, finalOf(maker, depth)),
  join: (maker, depth) => join(maker, timed(maker, depth), timed(maker, depth)),
  versions: (maker) => joinVersions(maker, stored('t', tableScope.columns), stored('r', tableScope.columns)),
  ever: (maker) => joinEver(maker, stored(maker.pick(['t', 'r']), tableScope.columns), stored('t', tableScope.columns)),
  windowJoin: (maker, depth) => joinOfWindows(maker, depth),
  union: (maker, depth) => putTogether(maker, sidesOf(maker, depth), maker.chance(0.7) ? 'UNION ALL' : 'UNION'),
} as const satisfies Readonly<Record<string, (maker: Maker, depth: number) => Selected>>;
export type Shape = keyof typeof shapes;
export const shapeNames = Object.keys(shapes) as readonly Shape[];

/** A query over tables of a few records. */
export function drawCase(draw: Draw, shape: Shape = draw.pick(shapeNames)): Case {
  let count = 0;
  const newName = (): string => {
    count += 1;
    return `q${count}`;
  };
  const maker = { ...draw, newName };
  const query = arranged(maker, shapes[shape](maker, 1 + draw.below(3)));
  const tables = Object.entries({ t: drawRows(draw, { hasTies: true }), r: drawRows(draw, { hasTies: false }) });
  const read = tables.filter(([name]) => new RegExp(`\\b${name}\\b`).test(ownText(query)));
  return {
    query,
    tables: Object.fromEntries(read),
    way: draw.pick(['values', 'lines', 'lines', 'hosts']),
    as: draw.pick(['WITH', 'VIEW']),
  };
}

/** Sometimes the first of all rows, where it is told which these are. */
function arranged(maker: Maker, { query, columns, unique }: Selected): Piece {
  if (unique === undefined || maker.chance(0.8)) return query;
  // A list has no order here.
  const { name } = maker.pick(columns.filter(({ kind }) => kind !== 'texts'));
  const order = word(
    'order',
    `${name}${maker.pick(['', ' DESC', ' DESC NULLS FIRST', ' NULLS FIRST'])}, ${unique.join(', ')}`,
  );
  const limit = maker.chance(0.7) ? clause(word('limit', String(1 + maker.below(9))), ' LIMIT {0}') : nothing;
  return formed('query', [query, order, limit], '{0} ORDER BY {1}{2}');
}

/** A table, or records of it that still have their time. */
function timed(maker: Maker, depth: number, isNamed = false): Relation {
  for (let tries = 0; tries < 4 && depth > 1; tries += 1) {
    const inner = maker.chance(0.4);
    if (!inner) break;
    const found = around(
      maker,
      maker.chance(0.7)
        ? selectRows(maker, timed(maker, depth - 1))
        : putTogether(maker, sidesOf(maker, depth - 1), 'UNION ALL'),
    );
    if (found.isNamed || !isNamed) return found;
  }
  return stored(maker.pick(['t', 't', 'r']), tableScope.columns);
}

/** Records, or rows of windows, whose time other windows are made of. */
function withTime(maker: Maker, depth: number, isNamed = false): Relation {
  if (depth > 1 && maker.chance(0.3)) {
    const shape = maker.pick([selectGroupsOfWindows, selectGroupsOfFunction]);
    const found = around(maker, shape(maker, withTime(maker, depth - 1, true)));
    if (found.time !== undefined && (found.isNamed || !isNamed)) return found;
  }
  return timed(maker, depth, isNamed);
}

function sidesOf(maker: Maker, depth: number): readonly Relation[] {
  return Array.from({ length: 2 + maker.below(2) }, () => timed(maker, depth - 1));
}

function windowedOf(maker: Maker, depth: number): Relation {
  if (depth > 2 && maker.chance(0.3)) {
    const joined = joinOfWindows(maker, depth - 1);
    if (joined.windows !== undefined) return around(maker, joined);
  }
  const of = timed(maker, depth - 1, true);
  const shape = maker.pick([selectGroupsOfWindows, selectGroupsOfFunction, selectGroupsOfFunction, selectWindowedRows]);
  const found = around(maker, shape(maker, of));
  return maker.chance(0.3) ? around(maker, selectRows(maker, found)) : found;
}

/** Rows that stay as they are. */
function finalOf(maker: Maker, depth: number): Relation {
  if (depth <= 1 || maker.chance(0.4)) return timed(maker, depth);
  return maker.pick([
    () => windowedOf(maker, depth),
    () => around(maker, putRowsOfWindowsTogether(maker, [windowedOf(maker, depth - 1), windowedOf(maker, depth - 1)])),
    () => around(maker, selectFirst(maker, finalOf(maker, depth - 1))),
    () => around(maker, join(maker, timed(maker, depth - 1), timed(maker, depth - 1))),
    () => around(maker, shapes.versions(maker)),
    () => around(maker, shapes.ever(maker)),
  ])();
}

function changing(maker: Maker, depth: number): Relation {
  const of = depth > 2 && maker.chance(0.3) ? changing(maker, depth - 1) : finalOf(maker, depth - 1);
  // All records of none are a group there, and none here: there is no row before the first record.
  const inner =
    maker.chance(0.7) || of.changes === true ? selectGroups(maker, of, { least: 1 }) : selectDistinct(maker, of);
  return around(maker, maker.chance(0.2) ? selectRows(maker, around(maker, inner)) : inner);
}

function anyOf(maker: Maker, depth: number): Relation {
  if (depth > 1 && maker.chance(0.3)) return changing(maker, depth - 1);
  return finalOf(maker, depth);
}

function shares(maker: Maker, depth: number): Selected {
  const options = { hasShares: true };
  if (maker.chance(0.4)) return selectGroups(maker, timed(maker, depth), options);
  const groups = selectGroupsOfFunction(maker, timed(maker, depth, true), options);
  if (maker.chance(0.6)) return groups;
  return selectRows(maker, around(maker, groups));
}

/** Of the same windows, so that some rows meet. */
function joinOfWindows(maker: Maker, depth: number): Selected {
  const a = windowedOf(maker, depth);
  return join(maker, a, maker.chance(0.3) ? a : windowedOf(maker, depth));
}
