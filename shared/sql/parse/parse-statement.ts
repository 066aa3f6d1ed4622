import type { ColumnDefinition, CreateTable, Insert, Name, Option, Setting, Statement } from './ast.ts';
import { Cursor } from './cursor.ts';
import { checkApart } from './names.ts';
import { parseExpression } from './parse-expression.ts';
import { parseColumnNames, parseQuery } from './parse-query.ts';
import { parseTypeName } from './parse-type.ts';
import { SqlProblem, spanOf } from './problem.ts';

/** The statements of a text, each ended by a semicolon, which the last one need not have. Throws `SqlProblem`. */
export function parseStatements(text: string): readonly Statement[] {
  const cursor = new Cursor(text);
  const statements: Statement[] = [];
  for (;;) {
    while (cursor.takes(';') || isFrame(cursor));
    if (cursor.isAtEnd) return statements;
    if (statements.length >= statementsMax)
      throw new SqlProblem(
        cursor.spot,
        `a text has at most ${statementsMax} statements. Split it into several pipelines.`,
      );
    statements.push(parseStatement(cursor));
    if (!cursor.isAtEnd && !cursor.isNext(';')) throw cursor.unexpected('a semicolon', 'behind the statement');
  }
}

/** Flink frames several INSERT INTO with these; here all of a text are one pipeline anyway. */
function isFrame(cursor: Cursor): boolean {
  return (
    cursor.takes('EXECUTE', 'STATEMENT', 'SET', 'BEGIN') ||
    cursor.takes('BEGIN', 'STATEMENT', 'SET') ||
    cursor.takes('END')
  );
}

/** Views may read one another in a row as long as that. */
const statementsMax = 200;

const beginnings = ['SELECT', 'WITH', 'INSERT INTO', 'CREATE TABLE', 'CREATE VIEW', 'SET'];

function parseStatement(cursor: Cursor): Statement {
  const start = cursor.token;
  if (cursor.isNext('SELECT') || cursor.isNext('WITH') || cursor.isNext('(')) {
    const query = parseQuery(cursor);
    return { op: 'query', query, at: query.at };
  }
  if (cursor.takes('INSERT')) return parseInsert(cursor, start);
  if (cursor.takes('SET')) return parseSetting(cursor, start);
  if (cursor.takes('CREATE')) {
    cursor.takes('OR', 'REPLACE');
    cursor.takes('TEMPORARY');
    if (cursor.takes('TABLE')) return parseCreateTable(cursor, start);
    if (cursor.takes('VIEW')) {
      cursor.takes('IF', 'NOT', 'EXISTS');
      const name = cursor.name('a view');
      const columns = parseColumnNames(cursor);
      cursor.expect('AS', `behind the view ${name.text}`);
      const query = parseQuery(cursor);
      return { op: 'create-view', view: { name, columns, query }, at: spanOf(start, cursor.last) };
    }
    if (cursor.isNext('STREAM'))
      throw new SqlProblem(
        cursor.spot,
        "CREATE STREAM is of ksqlDB. Write CREATE TABLE t (…, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kinesis').",
      );
    throw cursor.unexpected('TABLE or VIEW', 'behind CREATE');
  }
  const known = beginnings.map((beginning) => beginning.split(' ')[0] as string);
  throw new SqlProblem(
    cursor.spot,
    `a statement begins with one of ${beginnings.join(', ')}, and this one with ${cursor.shown}.${cursor.suggestion(known)}`,
  );
}

function parseInsert(cursor: Cursor, start: Name['at']): Insert {
  cursor.expect('INTO', 'behind INSERT');
  const table = cursor.name('a table');
  const columns = parseColumnNames(cursor);
  if (cursor.isNext('VALUES'))
    throw new SqlProblem(cursor.spot, 'INSERT INTO takes a query, not values: rows come from streams.');
  const query = parseQuery(cursor);
  return { op: 'insert', table, columns, query, at: spanOf(start, cursor.last) };
}

/** `SET 'slots' = '16'`, also without quotes. */
function parseSetting(cursor: Cursor, start: Name['at']): Setting {
  const name = parseText(cursor, 'the name of a setting');
  cursor.expect('=', 'behind the name of the setting');
  return { op: 'set', name, value: parseText(cursor, 'the value of the setting'), at: spanOf(start, cursor.last) };
}

function parseText(cursor: Cursor, what: string): Name {
  const token = cursor.next();
  if (token.kind === 'end' || token.kind === 'sign')
    throw new SqlProblem(token.kind === 'end' ? cursor.spot : token, `expected ${what}, as a text in quotes.`);
  return { text: token.text, at: token };
}

function parseCreateTable(cursor: Cursor, start: Name['at']): CreateTable {
  cursor.takes('IF', 'NOT', 'EXISTS');
  const name = cursor.name('a table');
  const columns: ColumnDefinition[] = [];
  let watermark: CreateTable['watermark'];
  if (cursor.takes('(')) {
    do {
      if (cursor.isNext('WATERMARK')) {
        const at = cursor.next();
        if (watermark !== undefined) throw new SqlProblem(at, 'a table has one watermark. Leave one out.');
        watermark = parseWatermark(cursor, at);
      } else if (!isPassedOver(cursor)) columns.push(parseColumnDefinition(cursor));
    } while (cursor.takes(','));
    cursor.expect(')', 'or a comma behind the columns of the table');
    const names = columns.map((column) => column.name);
    checkApart(names, 'column');
  }
  if (cursor.takes('COMMENT')) parseText(cursor, 'a comment');
  if (cursor.isNext('PARTITIONED') || cursor.isNext('DISTRIBUTED'))
    throw new SqlProblem(
      cursor.spot,
      `${cursor.shown} BY is not supported: where a record goes is said by what the query groups by. Leave it out.`,
    );
  const options = cursor.takes('WITH') ? parseOptions(cursor) : [];
  if (cursor.isNext('AS'))
    throw new SqlProblem(
      cursor.spot,
      `a table is written to by a statement of its own. Put a semicolon here, and write INSERT INTO ${name.text} SELECT ….`,
    );
  if (cursor.isNext('LIKE'))
    throw new SqlProblem(cursor.spot, 'LIKE is not supported. Write the columns and options of the table out.');
  return {
    op: 'create-table',
    name,
    columns,
    ...(watermark && { watermark }),
    options,
    at: spanOf(start, cursor.last),
  };
}

/** `PRIMARY KEY (a) NOT ENFORCED` says what the query says already. */
function isPassedOver(cursor: Cursor): boolean {
  if (!cursor.takes('PRIMARY', 'KEY')) return false;
  parseColumnNames(cursor);
  cursor.takes('NOT', 'ENFORCED');
  return true;
}

function parseWatermark(cursor: Cursor, start: Name['at']): NonNullable<CreateTable['watermark']> {
  cursor.expect('FOR', 'behind WATERMARK');
  const column = cursor.name('the column with the event time');
  cursor.expect('AS', `behind ${column.text}`);
  const delay = parseExpression(cursor);
  return { column, delay, at: spanOf(start, delay.at) };
}

function parseColumnDefinition(cursor: Cursor): ColumnDefinition {
  const name = cursor.name('a column');
  if (cursor.takes('AS')) {
    const expression = parseExpression(cursor);
    return { op: 'computed', name, expression, at: spanOf(name.at, expression.at) };
  }
  const type = parseTypeName(cursor);
  if (cursor.isNext('METADATA'))
    throw new SqlProblem(
      cursor.spot,
      'METADATA columns are not supported. The event time is a column of the record; name it with WATERMARK FOR.',
    );
  if (cursor.takes('PRIMARY', 'KEY')) cursor.takes('NOT', 'ENFORCED');
  if (cursor.takes('COMMENT')) parseText(cursor, 'a comment');
  return { op: 'physical', name, type, at: spanOf(name.at, type.at) };
}

function parseOptions(cursor: Cursor): readonly Option[] {
  cursor.expect('(', 'behind WITH');
  if (cursor.takes(')')) return [];
  const options = cursor.list(() => {
    const name = parseText(cursor, "the name of an option, such as 'connector'");
    cursor.expect('=', `behind '${name.text}'`);
    return { name, value: parseText(cursor, `the value of '${name.text}'`) };
  });
  cursor.expect(')', 'or a comma behind the options of the table');
  return options;
}
