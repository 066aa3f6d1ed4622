import type { Binary, BinarySign, Expression, Name } from './ast.ts';
import { type Cursor, nestingMax } from './cursor.ts';
import { parseCall } from './parse-call.ts';
import { parseInterval } from './parse-interval.ts';
import { parseQuery } from './parse-query.ts';
import { parseTypeName } from './parse-type.ts';
import { type Span, SqlProblem, spanOf } from './problem.ts';

/** Reads an expression; what binds weakest first: OR, AND, NOT, IS, comparisons, BETWEEN and IN and LIKE, ||, + and -, * and /, signs, `::` and `.`. */
export function parseExpression(cursor: Cursor): Expression {
  return cursor.expression(() => parseChain(cursor, 0));
}

/** Operators of two operands that are read from left to right, by how strongly they bind. */
const chains: readonly (readonly BinarySign[])[] = [['OR'], ['AND']];
const sums: readonly (readonly BinarySign[])[] = [['||'], ['+', '-'], ['*', '/', '//', '%']];

function parseChain(cursor: Cursor, level: number): Expression {
  const signs = chains[level];
  if (signs === undefined) return parseNot(cursor);
  return parseBinary(cursor, signs, () => parseChain(cursor, level + 1));
}

export function parseSum(cursor: Cursor, level = 0): Expression {
  const signs = sums[level];
  if (signs === undefined) return parseSigned(cursor);
  return parseBinary(cursor, signs, () => parseSum(cursor, level + 1));
}

function parseBinary(cursor: Cursor, signs: readonly BinarySign[], operand: () => Expression): Expression {
  let left = operand();
  for (;;) {
    const sign = signs.find((candidate) => cursor.token.word === candidate);
    if (sign === undefined) return left;
    cursor.countOperator();
    const signAt = cursor.next();
    const right = operand();
    left = binaryOf(sign, left, right, signAt);
  }
}

function binaryOf(sign: BinarySign, left: Expression, right: Expression, signAt: Span): Binary {
  return { op: 'binary', sign, left, right, signAt, at: spanOf(left.at, right.at) };
}

function parseNot(cursor: Cursor): Expression {
  const { token } = cursor;
  if (!cursor.takes('NOT')) return parseIsTests(cursor);
  const operand = cursor.nested(() => parseNot(cursor));
  return { op: 'unary', sign: 'NOT', operand, at: spanOf(token, operand.at) };
}

const comparisons = ['=', '<>', '!=', '<', '<=', '>', '>='];

/** IS binds weaker than a comparison, and BETWEEN, IN and LIKE bind stronger, as in PostgreSQL: `p = x IN (1, 2) IS TRUE`. */
function parseIsTests(cursor: Cursor): Expression {
  let left = parseComparison(cursor);
  for (;;) {
    const isAt = cursor.token;
    if (!cursor.takes('IS')) return left;
    cursor.countOperator();
    left = parseIs(cursor, left, isAt);
  }
}

function parseComparison(cursor: Cursor): Expression {
  let left = parsePredicates(cursor);
  for (;;) {
    const signAt = cursor.token;
    if (!comparisons.includes(signAt.word)) return left;
    cursor.countOperator();
    cursor.next();
    const sign = signAt.word === '!=' ? '<>' : (signAt.word as BinarySign);
    left = binaryOf(sign, left, parsePredicates(cursor), signAt);
  }
}

function parsePredicates(cursor: Cursor): Expression {
  let left = parseSum(cursor);
  for (;;) {
    const isNegated = cursor.isNext('NOT') && predicates.includes(cursor.peek().word);
    if (isNegated) cursor.next();
    const predicate = parsePredicate(cursor, left, isNegated);
    if (predicate === undefined) return left;
    cursor.countOperator();
    left = predicate;
  }
}

const predicates = ['BETWEEN', 'IN', 'LIKE', 'ILIKE', 'REGEXP', 'RLIKE', 'SIMILAR'];

function parseIs(cursor: Cursor, operand: Expression, isAt: Span): Expression {
  const negated = cursor.takes('NOT');
  if (cursor.takes('DISTINCT')) {
    cursor.expect('FROM', 'behind IS DISTINCT');
    const right = parsePredicates(cursor);
    return binaryOf(negated ? 'IS NOT DISTINCT FROM' : 'IS DISTINCT FROM', operand, right, isAt);
  }
  for (const test of ['NULL', 'TRUE', 'FALSE', 'UNKNOWN'] as const)
    if (cursor.takes(test)) return { op: 'is', operand, test, negated, at: spanOf(operand.at, cursor.last) };
  throw cursor.unexpected('NULL, NOT NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM', 'behind IS');
}

/** Keys that are there twice would double what they are joined with. */
const semiJoin =
  'Join with its different keys in each window: FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), …)) a JOIN (SELECT DISTINCT k, window_start, window_end FROM TABLE(TUMBLE(TABLE b, DESCRIPTOR(ts), …))) b ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end; for what is not there LEFT JOIN, and WHERE b.k IS NULL.';

function parsePredicate(cursor: Cursor, operand: Expression, negated: boolean): Expression | undefined {
  if (cursor.takes('BETWEEN')) {
    if (cursor.isNext('SYMMETRIC') && !cursor.isNext('SYMMETRIC', 'AND'))
      throw new SqlProblem(
        cursor.spot,
        'BETWEEN SYMMETRIC is not supported. Write x BETWEEN LEAST(a, b) AND GREATEST(a, b).',
      );
    const low = parseSum(cursor);
    cursor.expect('AND', 'between the bounds of BETWEEN');
    const high = parseSum(cursor);
    return { op: 'between', operand, low, high, negated, at: spanOf(operand.at, high.at) };
  }
  if (cursor.takes('IN')) {
    cursor.expect('(', 'behind IN');
    if (cursor.isNext('SELECT'))
      throw new SqlProblem(cursor.spot, `IN takes a list of values, not a query. ${semiJoin}`);
    const list = cursor.list(() => parseExpression(cursor));
    cursor.expect(')', 'behind the list of IN');
    return { op: 'in', operand, list, negated, at: spanOf(operand.at, cursor.last) };
  }
  const kind = cursor.takes('SIMILAR', 'TO')
    ? 'SIMILAR TO'
    : cursor.takes('LIKE')
      ? 'LIKE'
      : cursor.takes('ILIKE')
        ? 'ILIKE'
        : cursor.takes('REGEXP') || cursor.takes('RLIKE')
          ? 'REGEXP'
          : undefined;
  if (kind === undefined) {
    if (negated) throw cursor.unexpected('BETWEEN, IN, LIKE, ILIKE, SIMILAR TO or REGEXP', 'behind NOT');
    return undefined;
  }
  const pattern = parseSum(cursor);
  const escaping = cursor.takes('ESCAPE') ? parseSum(cursor) : undefined;
  const at = spanOf(operand.at, (escaping ?? pattern).at);
  return { op: 'like', kind, operand, pattern, ...(escaping && { escape: escaping }), negated, at };
}

function parseSigned(cursor: Cursor): Expression {
  const { token } = cursor;
  if (token.word !== '-' && token.word !== '+') return parsePostfix(cursor);
  cursor.next();
  const operand = cursor.nested(() => parseSigned(cursor));
  return { op: 'unary', sign: token.word, operand, at: spanOf(token, operand.at) };
}

function parsePostfix(cursor: Cursor): Expression {
  let operand = parsePrimary(cursor);
  if (cursor.isNext('AT', 'TIME'))
    throw new SqlProblem(cursor.spot, "times are in UTC. For another zone add its offset: x + INTERVAL '1' HOUR.");
  for (;;) {
    if (cursor.takes('::')) {
      cursor.countOperator();
      const type = parseTypeName(cursor);
      operand = { op: 'cast', operand, type, tries: false, at: spanOf(operand.at, type.at) };
    } else if (cursor.isNext('[')) operand = parseElement(cursor, operand);
    else return operand;
  }
}

/** `tags[1]` is ELEMENT_AT(tags, 1), and `items[1].price` a field of it. */
function parseElement(cursor: Cursor, list: Expression): Expression {
  const nameAt = cursor.next();
  cursor.countOperator();
  const index = parseExpression(cursor);
  if (cursor.isNext(','))
    throw new SqlProblem(
      cursor.spot,
      'brackets take the number of one element: tags[1]. Lists are read, and not made.',
    );
  cursor.expect(']', 'behind the number of the element');
  let element = elementOf(list, index, spanOf(nameAt, cursor.last));
  while (cursor.takes('.')) {
    cursor.countOperator();
    const { text, at } = cursor.name('a field');
    element = elementOf(element, { op: 'literal', kind: 'string', text, at }, at);
  }
  return element;
}

function elementOf(list: Expression, index: Expression, nameAt: Span): Expression {
  const at = spanOf(list.at, nameAt);
  return { op: 'call', name: 'ELEMENT_AT', nameAt, args: [list, index], distinct: false, at };
}

function parsePrimary(cursor: Cursor): Expression {
  const { token } = cursor;
  if (token.kind === 'number') return { op: 'literal', kind: 'number', text: cursor.next().text, at: token };
  if (token.kind === 'string') return { op: 'literal', kind: 'string', text: cursor.next().text, at: token };
  if (cursor.takes('NULL')) return { op: 'literal', kind: 'null', text: 'NULL', at: token };
  if (cursor.takes('TRUE') || cursor.takes('FALSE'))
    return { op: 'literal', kind: 'boolean', text: token.word, at: token };
  if ((token.word === 'TIMESTAMP' || token.word === 'DATE') && cursor.peek().kind === 'string') {
    cursor.next();
    const text = cursor.next();
    return {
      op: 'literal',
      kind: token.word === 'DATE' ? 'date' : 'timestamp',
      text: text.text,
      at: spanOf(token, text),
    };
  }
  if (cursor.takes('INTERVAL')) return parseInterval(cursor, token);
  if (cursor.takes('CASE')) return parseCase(cursor, token);
  if (cursor.takes('(')) return parseParenthesised(cursor, token);
  if (cursor.isNext('EXISTS', '(')) throw new SqlProblem(token, `EXISTS is not supported. ${semiJoin}`);
  const isCall = cursor.peek().word === '(' && token.kind === 'word';
  if (isCall && (!blockedCalls.has(token.word) || token.word === 'LEFT' || token.word === 'RIGHT'))
    return parseCall(cursor);
  if (cursor.isName()) return parseColumn(cursor);
  const advice =
    token.word === '=' && cursor.last.word === '='
      ? ' Equality is one sign: a = b.'
      : token.word === '>' && cursor.last.word === '-'
        ? ' The fields of JSON and of a ROW stand behind a dot: a.b.'
        : token.word === '*' && cursor.last.word === '*'
          ? ' A power is POWER(x, y).'
          : token.kind === 'word' && [',', 'FROM', ')', '=', '<', '>'].includes(cursor.peek().word)
            ? ` It is a word of SQL; a column of this name stands in quotes: "${token.text}".`
            : '';
  throw new SqlProblem(cursor.spot, `expected an expression, and found ${cursor.shown}.${advice}`);
}

/** Words before a parenthesis that make no function of it. */
const blockedCalls = new Set([
  'AND',
  'OR',
  'NOT',
  'IN',
  'ON',
  'FROM',
  'SELECT',
  'WHERE',
  'BY',
  'HAVING',
  'WHEN',
  'THEN',
  'ELSE',
  'AS',
  'USING',
  'VALUES',
  'OVER',
  'UNION',
  'JOIN',
  'TABLE',
  'BETWEEN',
  'LIKE',
]);

function parseColumn(cursor: Cursor): Expression {
  const path = [cursor.name('a column')];
  while (cursor.isNext('.') && path.length < nestingMax) {
    cursor.next();
    const { token } = cursor;
    if (token.kind !== 'word' && token.kind !== 'quoted') throw cursor.unexpected('a name', 'behind the dot');
    cursor.next();
    path.push({ text: token.text, at: token });
  }
  return { op: 'column', path, at: spanOf((path[0] as Name).at, cursor.last) };
}

function parseParenthesised(cursor: Cursor, open: Span): Expression {
  if (cursor.isNext('SELECT') || cursor.isNext('WITH')) {
    const query = cursor.nested(() => parseQuery(cursor));
    cursor.expect(')', 'behind the query');
    return { op: 'query', query, at: spanOf(open, cursor.last) };
  }
  const inner = parseExpression(cursor);
  if (cursor.isNext(','))
    throw new SqlProblem(
      cursor.spot,
      'a list of values in parentheses is no value. Compare the columns one by one: a = 1 AND b = 2.',
    );
  cursor.expect(')', 'behind the expression in parentheses');
  return { ...inner, at: spanOf(open, cursor.last) };
}

function parseCase(cursor: Cursor, start: Span): Expression {
  const operand = cursor.isNext('WHEN') ? undefined : parseExpression(cursor);
  const branches: { when: Expression; result: Expression }[] = [];
  while (cursor.takes('WHEN')) {
    const when = parseExpression(cursor);
    cursor.expect('THEN', 'behind the condition of WHEN');
    branches.push({ when, result: parseExpression(cursor) });
  }
  if (branches.length === 0) throw cursor.unexpected('WHEN', 'behind CASE');
  const otherwise = cursor.takes('ELSE') ? parseExpression(cursor) : undefined;
  cursor.expect('END', 'at the end of CASE');
  return {
    op: 'case',
    ...(operand && { operand }),
    branches,
    ...(otherwise && { otherwise }),
    at: spanOf(start, cursor.last),
  };
}
