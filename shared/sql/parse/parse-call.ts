import type { Call, Expression, OrderItem, Over } from './ast.ts';
import type { Cursor } from './cursor.ts';
import { namedWindows } from './other-clauses.ts';
import { parseExpression, parseSum } from './parse-expression.ts';
import { parseTypeName } from './parse-type.ts';
import { type Span, SqlProblem, spanOf } from './problem.ts';

/** `name(arguments)`, with FILTER, WITHIN GROUP and OVER. */
export function parseCall(cursor: Cursor): Expression {
  const nameAt = cursor.next();
  const name = nameAt.word;
  cursor.expect('(', `behind ${nameAt.text}`);
  if (name === 'CAST' || name === 'TRY_CAST') {
    const operand = parseExpression(cursor);
    cursor.expect('AS', `behind the value of ${name}`);
    const type = parseTypeName(cursor);
    cursor.expect(')', `at the end of ${name}`);
    return { op: 'cast', operand, type, tries: name === 'TRY_CAST', at: spanOf(nameAt, cursor.last) };
  }
  if (name === 'JSON_VALUE') return parseJsonValue(cursor, nameAt);
  const distinct = cursor.takes('DISTINCT');
  if (!distinct) cursor.takes('ALL');
  const args = cursor.takes(')') ? [] : parseArguments(cursor, name);
  let call: Call = { op: 'call', name, nameAt, args, distinct, at: spanOf(nameAt, cursor.last) };
  if (cursor.takes('WITHIN')) {
    cursor.expect('GROUP', 'behind WITHIN');
    cursor.expect('(', 'behind WITHIN GROUP');
    call = { ...call, withinGroup: parseOrder(cursor) };
    cursor.expect(')', 'behind the order of WITHIN GROUP');
  }
  if (cursor.isNext('FILTER', '(')) {
    cursor.takes('FILTER', '(');
    cursor.expect('WHERE', 'behind FILTER (');
    call = { ...call, filter: parseExpression(cursor) };
    cursor.expect(')', 'behind the condition of FILTER');
  }
  if (cursor.takes('OVER')) call = { ...call, over: parseOver(cursor) };
  return { ...call, at: spanOf(nameAt, cursor.last) };
}

/** `JSON_VALUE(json, path RETURNING type)`: what is no value of the type is NULL. */
function parseJsonValue(cursor: Cursor, nameAt: Span): Expression {
  const args = cursor.isNext(')') ? [] : cursor.list(() => parseExpression(cursor));
  const type = cursor.takes('RETURNING') ? parseTypeName(cursor) : undefined;
  if (['NULL', 'ERROR', 'DEFAULT'].includes(cursor.token.word))
    throw new SqlProblem(
      cursor.spot,
      'ON EMPTY and ON ERROR are not supported: what is not there is NULL. Write COALESCE(JSON_VALUE(…), default).',
    );
  cursor.expect(')', 'or RETURNING and a type behind the path of JSON_VALUE');
  const at = spanOf(nameAt, cursor.last);
  const call: Call = { op: 'call', name: 'JSON_VALUE', nameAt, args, distinct: false, at };
  return type === undefined ? call : { op: 'cast', operand: call, type, tries: true, at };
}

/** Arguments with commas, and the words that some functions have between them. */
function parseArguments(cursor: Cursor, name: string): readonly Expression[] {
  const star = cursor.token;
  if (cursor.takes('*')) {
    cursor.expect(')', `behind ${name}(*`);
    return [{ op: 'star', at: star }];
  }
  const args: Expression[] = [];
  if (name === 'TRIM') readTrim(cursor, args);
  else if (name === 'EXTRACT') {
    args.push(parseUnit(cursor));
    cursor.expect('FROM', 'behind the unit of EXTRACT');
    args.push(parseExpression(cursor));
  } else if (name === 'POSITION') {
    args.push(parseSum(cursor));
    if (!cursor.takes('IN')) cursor.expect(',', 'behind the text that POSITION looks for, or IN,');
    args.push(parseExpression(cursor));
  } else {
    if (unitFirst.has(name) && cursor.token.kind === 'word' && cursor.isNext(cursor.token.word, ',')) {
      args.push(parseUnit(cursor));
    } else args.push(parseExpression(cursor));
    const words =
      name === 'SUBSTRING' || name === 'SUBSTR'
        ? ['FROM', 'FOR']
        : name === 'OVERLAY'
          ? ['PLACING', 'FROM', 'FOR']
          : [];
    // FLOOR(time TO unit) has the unit first, as DATE_TRUNC has.
    if (rounding.has(name) && cursor.takes('TO')) args.unshift(parseUnit(cursor));
    while (cursor.takes(',') || words.some((word) => cursor.takes(word))) args.push(parseExpression(cursor));
  }
  if (cursor.isNext('ORDER', 'BY'))
    throw new SqlProblem(
      cursor.spot,
      'an aggregate has no order of its own. FIRST_VALUE and LAST_VALUE go by the event time; by another column write ARG_MIN(x, by) or ARG_MAX(x, by).',
    );
  cursor.expect(')', `or a comma behind the arguments of ${name}`);
  return args;
}

/** Functions whose first argument is the name of a unit, without quotes. */
const unitFirst = new Set(['TIMESTAMPDIFF', 'TIMESTAMPADD']);
const rounding = new Set(['FLOOR', 'CEIL', 'CEILING']);

function parseUnit(cursor: Cursor): Expression {
  const unit = cursor.next();
  return { op: 'literal', kind: 'string', text: unit.text, at: unit };
}

/** `TRIM(x)`, `TRIM(BOTH '-' FROM x)`, `TRIM(x, '-')`: the value, the characters, the side. */
function readTrim(cursor: Cursor, args: Expression[]): void {
  const side = cursor.token;
  const isSided = cursor.takes('BOTH') || cursor.takes('LEADING') || cursor.takes('TRAILING');
  const sideLiteral: Expression = { op: 'literal', kind: 'string', text: isSided ? side.word : 'BOTH', at: side };
  if (isSided && cursor.takes('FROM')) {
    args.push(parseExpression(cursor), { op: 'literal', kind: 'string', text: ' ', at: side }, sideLiteral);
    return;
  }
  const first = parseExpression(cursor);
  if (cursor.takes('FROM')) {
    args.push(parseExpression(cursor), first, sideLiteral);
    return;
  }
  args.push(first);
  if (cursor.takes(',')) args.push(parseExpression(cursor), sideLiteral);
}

export function parseOrder(cursor: Cursor): readonly OrderItem[] {
  cursor.expect('ORDER', 'here');
  cursor.expect('BY', 'behind ORDER');
  return cursor.list(() => {
    const expression = parseExpression(cursor);
    const descending = cursor.takes('DESC');
    if (!descending) cursor.takes('ASC');
    const nulls = cursor.takes('NULLS', 'FIRST') ? true : cursor.takes('NULLS', 'LAST') ? false : undefined;
    return { expression, descending, ...(nulls === undefined ? {} : { nullsFirst: nulls }), at: expression.at };
  });
}

function parseOver(cursor: Cursor): Over {
  if (cursor.isName()) throw new SqlProblem(cursor.spot, namedWindows);
  const open = cursor.expect('(', 'behind OVER');
  const partition = cursor.takes('PARTITION', 'BY') ? cursor.list(() => parseExpression(cursor)) : [];
  const order = cursor.isNext('ORDER') ? parseOrder(cursor) : [];
  if (cursor.isNext('ROWS') || cursor.isNext('RANGE'))
    throw new SqlProblem(
      cursor.spot,
      'frames (ROWS, RANGE) are not supported. Group by a window: GROUP BY k, HOP(ts, slide, size).',
    );
  cursor.expect(')', 'at the end of OVER');
  return { partition, order, at: spanOf(open, cursor.last) };
}
