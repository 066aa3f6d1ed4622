import type { Name, TypeName } from './ast.ts';
import type { Cursor } from './cursor.ts';
import { SqlProblem, spanOf } from './problem.ts';

/** `BIGINT`, `DECIMAL(10, 2)`, `TIMESTAMP(3) WITH LOCAL TIME ZONE`, `ROW<a INT, b STRING>`, `ARRAY<STRING>`, each with NOT NULL. */
export function parseTypeName(cursor: Cursor): TypeName {
  return cursor.nested(() => {
    const start = cursor.token;
    if (start.kind !== 'word') throw cursor.unexpected('a type, such as BIGINT or STRING,', 'here');
    cursor.next();
    let name = start.word;
    if (name === 'MAP' || name === 'MULTISET')
      throw new SqlProblem(start, `there is no type ${name}. Write JSON, whose fields stand behind a dot: a.b.`);
    if (name === 'TIME')
      throw new SqlProblem(start, 'there is no type TIME. Write STRING, or TIMESTAMP(3) of a time with its day.');
    if (name === 'DOUBLE') cursor.takes('PRECISION');
    if (name === 'CHARACTER' && cursor.takes('VARYING')) name = 'VARCHAR';
    const content =
      name === 'ROW' ? { fields: parseFields(cursor) } : name === 'ARRAY' ? { element: parseElement(cursor) } : {};
    const parameters = name !== 'ROW' && cursor.isNext('(') ? parseParameters(cursor) : [];
    for (const words of timeZones) if (cursor.takes(...words)) name = words.includes('WITHOUT') ? name : `${name}_LTZ`;
    const notNull = cursor.takes('NOT', 'NULL');
    if (!notNull) cursor.takes('NULL');
    return { name, parameters, ...content, notNull, at: spanOf(start, cursor.last) };
  });
}

const timeZones = [
  ['WITH', 'LOCAL', 'TIME', 'ZONE'],
  ['WITH', 'TIME', 'ZONE'],
  ['WITHOUT', 'TIME', 'ZONE'],
];

function parseParameters(cursor: Cursor): readonly number[] {
  cursor.expect('(', 'here');
  const numbers = cursor.list(() => {
    const token = cursor.next();
    if (token.kind !== 'number' || !/^\d{1,6}$/.test(token.text))
      throw new SqlProblem(
        token.kind === 'end' ? cursor.spot : token,
        'expected a whole number, as in DECIMAL(10, 2).',
      );
    return Number(token.text);
  });
  cursor.expect(')', 'behind the numbers of the type');
  return numbers;
}

function parseElement(cursor: Cursor): TypeName {
  cursor.expect('<', 'behind ARRAY');
  const element = parseTypeName(cursor);
  cursor.expect('>', 'behind the type of the elements');
  return element;
}

function parseFields(cursor: Cursor): readonly { readonly name: Name; readonly type: TypeName }[] {
  const close = cursor.takes('(') ? ')' : '>';
  if (close === '>') cursor.expect('<', 'behind ROW');
  const fields = cursor.list(() => ({ name: cursor.name('a field'), type: parseTypeName(cursor) }));
  cursor.expect(close, 'behind the fields of ROW');
  return fields;
}
