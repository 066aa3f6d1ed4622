import { nearest } from '#shared/pipeline/nearest.ts';
import type {
  Expression,
  From,
  Join,
  Name,
  Query,
  Select,
  SelectItem,
  Subquery,
  TableReference,
  View,
  WindowKind,
  WindowTable,
} from './ast.ts';
import type { Cursor } from './cursor.ts';
import { checkApart } from './names.ts';
import { refuseClause } from './other-clauses.ts';
import { parseOrder } from './parse-call.ts';
import { parseExpression } from './parse-expression.ts';
import { type Span, SqlProblem, spanOf } from './problem.ts';

/** `[WITH name AS (…), …] SELECT … [UNION [ALL] SELECT …] [ORDER BY …] [LIMIT n]` */
export function parseQuery(cursor: Cursor): Query {
  const start = cursor.token;
  const views = cursor.takes('WITH') ? parseViews(cursor) : [];
  let selects = [...parseSelectOrNested(cursor)];
  let distinctTo = 0;
  for (;;) {
    const { token } = cursor;
    for (const word of ['EXCEPT', 'INTERSECT', 'MINUS'])
      if (cursor.isNext(word)) throw new SqlProblem(token, `${word} is not supported; UNION ALL is.`);
    if (!cursor.takes('UNION')) break;
    const isDistinct = cursor.takes('DISTINCT') || !cursor.takes('ALL');
    selects.push(...parseSelectOrNested(cursor));
    if (isDistinct) distinctTo = selects.length;
    if (selects.length > 100) throw new SqlProblem(token, 'more than 100 queries are put together.');
  }
  // The last UNION without ALL leaves no duplicates of those before it either.
  if (distinctTo > 0)
    selects = [differentRows(selects.slice(0, distinctTo), spanOf(start, cursor.last)), ...selects.slice(distinctTo)];
  const order = cursor.isNext('ORDER') ? parseOrder(cursor) : [];
  const limitAt = cursor.token;
  const isLimited = cursor.takes('LIMIT') || (cursor.takes('FETCH') && (cursor.takes('FIRST') || cursor.takes('NEXT')));
  refuseOffset(cursor);
  if (!isLimited) return { op: 'select-query', views, selects, order, at: spanOf(start, cursor.last) };
  const count = cursor.next();
  if (count.kind !== 'number' || !/^\d{1,9}$/.test(count.text))
    throw new SqlProblem(count.kind === 'end' ? cursor.spot : count, 'expected a whole number of rows behind LIMIT.');
  if (cursor.takes('ROWS') || cursor.takes('ROW')) cursor.takes('ONLY');
  refuseOffset(cursor);
  const limit = { count: Number(count.text), at: spanOf(limitAt, count) };
  return { op: 'select-query', views, selects, order, limit, at: spanOf(start, cursor.last) };
}

/** `a UNION b` has the different rows of all: SELECT DISTINCT * FROM (a UNION ALL b). */
function differentRows(selects: readonly Select[], at: Span): Select {
  const query: Query = { op: 'select-query', views: [], selects, order: [], at };
  return { distinct: true, items: [{ op: 'all', at }], from: { op: 'subquery', query, at }, groupBy: [], at };
}

function refuseOffset(cursor: Cursor): void {
  if (cursor.isNext('OFFSET'))
    throw new SqlProblem(cursor.spot, 'OFFSET is not supported: LIMIT gives the first rows. Leave it out.');
}

const viewsMax = 100;

function parseViews(cursor: Cursor): readonly View[] {
  let count = 0;
  const views = cursor.list((): View => {
    count += 1;
    if (count > viewsMax) throw new SqlProblem(cursor.spot, `WITH names at most ${viewsMax} queries.`);
    const name = cursor.name('a query');
    const columns = parseColumnNames(cursor);
    cursor.expect('AS', `behind ${name.text}`);
    cursor.expect('(', 'behind AS');
    const query = cursor.nested(() => parseQuery(cursor));
    cursor.expect(')', `at the end of ${name.text}`);
    return { name, columns, query };
  });
  const names = views.map(({ name }) => name);
  checkApart(names, 'query');
  return views;
}

/** `(a, b)`, when it stands next. */
export function parseColumnNames(cursor: Cursor): readonly Name[] {
  if (!cursor.takes('(')) return [];
  const names = cursor.list(() => cursor.name('a column'));
  cursor.expect(')', 'behind the names of the columns');
  checkApart(names, 'column');
  return names;
}

/** A part of a UNION ALL may stand in parentheses. */
function parseSelectOrNested(cursor: Cursor): readonly Select[] {
  if (!cursor.isNext('(')) return [parseSelect(cursor)];
  const open = cursor.next();
  const query = cursor.nested(() => parseQuery(cursor));
  cursor.expect(')', 'behind the query');
  if (query.views.length > 0 || query.order.length > 0 || query.limit !== undefined)
    throw new SqlProblem(
      spanOf(open, cursor.last),
      'a part of UNION ALL has no WITH, ORDER BY or LIMIT of its own. Name it before: WITH part AS (…).',
    );
  return query.selects;
}

const clauses = ['FROM', 'WHERE', 'GROUP BY', 'HAVING', 'UNION ALL', 'ORDER BY', 'LIMIT', 'SELECT'];

function parseSelect(cursor: Cursor): Select {
  const start = cursor.token;
  if (!cursor.takes('SELECT')) {
    throw new SqlProblem(
      cursor.spot,
      `expected SELECT, and found ${cursor.shown}.${cursor.suggestion(['SELECT', 'WITH'])}`,
    );
  }
  const distinct = cursor.takes('DISTINCT');
  if (!distinct) cursor.takes('ALL');
  if (cursor.isNext('TOP') && cursor.peek().kind === 'number')
    throw new SqlProblem(cursor.spot, `TOP is not supported. Write LIMIT ${cursor.peek().text} at the end.`);
  const items = cursor.list(() => parseItem(cursor));
  const from = cursor.takes('FROM') ? parseFrom(cursor) : undefined;
  const where = cursor.takes('WHERE') ? parseExpression(cursor) : undefined;
  const groupBy = cursor.takes('GROUP', 'BY') ? cursor.list(() => parseGroup(cursor)) : [];
  const having = cursor.takes('HAVING') ? parseExpression(cursor) : undefined;
  const qualify = cursor.takes('QUALIFY') ? parseExpression(cursor) : undefined;
  checkEnd(cursor);
  return {
    distinct,
    items,
    ...(from && { from }),
    ...(where && { where }),
    groupBy,
    ...(having && { having }),
    ...(qualify && { qualify }),
    at: spanOf(start, cursor.last),
  };
}

function parseGroup(cursor: Cursor): Expression {
  refuseClause(cursor, 'GROUPING SETS');
  if (cursor.isNext('ALL'))
    throw new SqlProblem(
      cursor.spot,
      'GROUP BY ALL is not supported. Name the columns, or their numbers behind SELECT: GROUP BY 1, 2.',
    );
  return parseExpression(cursor);
}

/** Whatever follows a SELECT is a clause that stands at the wrong place or is misspelt. */
function checkEnd(cursor: Cursor): void {
  const { token } = cursor;
  const ends = ['', ')', ';', 'UNION', 'ORDER', 'LIMIT', 'OFFSET', 'FETCH', 'EXCEPT', 'INTERSECT', 'MINUS', 'END'];
  if (token.kind === 'end' || (token.kind !== 'quoted' && token.word !== '' && ends.includes(token.word))) return;
  // An alias that looks like a clause is one that is misspelt.
  refuseClause(cursor);
  const { last } = cursor;
  const meant =
    last.kind === 'word' && last.word !== 'AS' ? nearest(last.word, ['FROM', 'WHERE', 'GROUP', 'HAVING']) : undefined;
  if (meant !== undefined && last.word !== meant)
    throw new SqlProblem(last, `expected one of ${clauses.join(', ')}, and found ${last.text}. Did you mean ${meant}?`);
  throw new SqlProblem(
    cursor.spot,
    `expected the end of the query or one of ${clauses.join(', ')}, in this order, and found ${cursor.shown}.${cursor.suggestion(clauses.map((clause) => clause.split(' ')[0] as string))}`,
  );
}

function parseItem(cursor: Cursor): SelectItem {
  const { token } = cursor;
  if (cursor.takes('*')) {
    refuseClause(cursor, 'EXCLUDE (', 'EXCEPT (', 'REPLACE (');
    return { op: 'all', at: token };
  }
  if (cursor.isName() && cursor.peek().word === '.' && cursor.peek(2).word === '*') {
    const of = cursor.name('a table');
    cursor.takes('.', '*');
    return { op: 'all', of, at: spanOf(token, cursor.last) };
  }
  if (cursor.isNext('FROM'))
    throw new SqlProblem(
      cursor.spot,
      'expected a column or an expression before FROM. Write SELECT *, or name what you want.',
    );
  const expression = parseExpression(cursor);
  const alias = cursor.alias();
  return { op: 'item', expression, ...(alias && { alias }), at: spanOf(token, cursor.last) };
}

function parseFrom(cursor: Cursor): From {
  let left: From = cursor.nested(() => parseTable(cursor));
  for (let count = 0; ; count += 1) {
    const start = cursor.token;
    if (count > 20) throw new SqlProblem(start, 'more than 20 tables are joined. Name parts of it with WITH.');
    // The condition of these stands in WHERE.
    if (cursor.takes(',') || cursor.takes('CROSS', 'JOIN')) {
      const right = cursor.nested(() => parseTable(cursor));
      left = { op: 'join', kind: 'inner', left, right, using: [], at: spanOf(start, cursor.last) };
      continue;
    }
    if (cursor.isNext('NATURAL'))
      throw new SqlProblem(start, 'NATURAL JOIN is not supported. Write JOIN … ON a.k = b.k AND ….');
    const kind = parseJoinKind(cursor);
    if (kind === undefined) return left;
    const right = cursor.nested(() => parseTable(cursor));
    const on = cursor.takes('ON') ? parseExpression(cursor) : undefined;
    const using = on === undefined && cursor.takes('USING') ? parseColumnNames(cursor) : [];
    if (on === undefined && using.length === 0)
      throw cursor.unexpected('ON and a condition', 'behind the joined table');
    const join: Join = { op: 'join', kind, left, right, ...(on && { on }), using, at: spanOf(start, cursor.last) };
    left = join;
  }
}

function parseJoinKind(cursor: Cursor): Join['kind'] | undefined {
  if (cursor.takes('JOIN') || cursor.takes('INNER', 'JOIN')) return 'inner';
  for (const [word, kind] of [
    ['LEFT', 'left'],
    ['RIGHT', 'right'],
    ['FULL', 'full'],
  ] as const) {
    if (!cursor.takes(word)) continue;
    cursor.takes('OUTER');
    cursor.expect('JOIN', `behind ${word}`);
    return kind;
  }
  return undefined;
}

const windowKinds: readonly string[] = ['TUMBLE', 'HOP', 'SESSION', 'CUMULATE'];

function parseTable(cursor: Cursor): TableReference | Subquery | WindowTable {
  const start = cursor.token;
  if (cursor.takes('(')) {
    const query = cursor.nested(() => parseQuery(cursor));
    cursor.expect(')', 'behind the query');
    const alias = cursor.alias();
    return { op: 'subquery', query, ...(alias && { alias }), at: spanOf(start, cursor.last) };
  }
  const isTable = cursor.takes('TABLE', '(');
  const word = cursor.token;
  if (windowKinds.includes(word.word) && cursor.peek().word === '(') {
    const table = parseWindowTable(cursor, word.word as WindowKind);
    if (isTable) cursor.expect(')', `behind ${word.word}(…)`);
    const alias = cursor.alias();
    return { ...table, ...(alias && { alias }), at: spanOf(start, cursor.last) };
  }
  if (isTable) throw cursor.unexpected(`one of ${windowKinds.join(', ')}`, 'behind TABLE(');
  return parseTableName(cursor);
}

function parseTableName(cursor: Cursor): TableReference {
  refuseClause(cursor, 'UNNEST (', 'LATERAL TABLE', 'LATERAL (');
  const name = cursor.name('a table');
  if (cursor.isNext('('))
    throw new SqlProblem(
      name.at,
      `${name.text} is no function that gives a table; those are ${windowKinds.join(', ')}.`,
    );
  if (cursor.isNext('.'))
    throw new SqlProblem(
      cursor.spot,
      `a table has no database before its name, or the name stands in quotes: "${name.text}.${cursor.peek().text}".`,
    );
  const asOf = cursor.takes('FOR', 'SYSTEM_TIME', 'AS', 'OF') ? parseExpression(cursor) : undefined;
  const alias = cursor.alias();
  return { op: 'table', name, ...(alias && { alias }), ...(asOf && { asOf }), at: spanOf(name.at, cursor.last) };
}

const argumentNames: readonly string[] = ['DATA', 'TIMECOL', 'SIZE', 'SLIDE', 'STEP', 'GAP', 'OFFSET'];

/** `TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)`, also with names: `DATA => TABLE t`. */
function parseWindowTable(cursor: Cursor, kind: WindowKind): WindowTable {
  const start = cursor.next();
  cursor.expect('(', `behind ${kind}`);
  skipArgumentName(cursor);
  const tableAt = cursor.token;
  if (!cursor.takes('TABLE') && !cursor.isNext('('))
    throw cursor.unexpected('TABLE and the name of a table', `as the first argument of ${kind}`);
  const input = cursor.isNext('(') ? (cursor.nested(() => parseTable(cursor)) as Subquery) : parseTableName(cursor);
  const partition: Expression[] = [];
  if (cursor.takes('PARTITION', 'BY')) {
    const isOpen = cursor.takes('(');
    partition.push(parseExpression(cursor));
    while (isOpen && cursor.takes(',')) partition.push(parseExpression(cursor));
    if (isOpen) cursor.expect(')', 'behind the columns of PARTITION BY');
  }
  cursor.expect(',', `behind TABLE ${'name' in input ? input.name.text : '(…)'}`);
  skipArgumentName(cursor);
  cursor.expect('DESCRIPTOR', `as the second argument of ${kind}: DESCRIPTOR(ts)`);
  cursor.expect('(', 'behind DESCRIPTOR');
  const column = cursor.name('the column with the event time');
  cursor.expect(')', 'behind the column of DESCRIPTOR');
  const sizes: Expression[] = [];
  while (cursor.takes(',')) {
    skipArgumentName(cursor);
    sizes.push(parseExpression(cursor));
  }
  cursor.expect(')', `at the end of ${kind}`);
  return {
    op: 'window-table',
    kind,
    input,
    column,
    sizes,
    partition,
    at: spanOf(start.kind === 'end' ? tableAt : start, cursor.last),
  };
}

/** `SIZE =>`: Flink's arguments have their order with or without names. */
function skipArgumentName(cursor: Cursor): void {
  if (argumentNames.includes(cursor.token.word) && cursor.peek().word === '=>') cursor.takes(cursor.token.word, '=>');
}
