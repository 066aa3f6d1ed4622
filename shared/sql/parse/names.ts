import { reservedColumns } from '#shared/schemas/row.ts';
import type { Expression, Name, SelectItem } from './ast.ts';
import { type Span, SqlProblem } from './problem.ts';

const reserved = new Set(reservedColumns.map((column) => column.toLowerCase()));
const columnForm = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;

/** Whether a row of a step may have a column of this name. */
export function isColumnName(name: string): boolean {
  return columnForm.test(name) && !reserved.has(name.toLowerCase());
}

/** Refuses a name that stands twice in a list. */
export function checkApart(names: readonly Name[], what: 'column' | 'query'): void {
  const taken = new Set<string>();
  for (const { text, at } of names) {
    if (taken.has(text.toLowerCase()))
      throw new SqlProblem(at, `there is a ${what} ${text} already; the case does not count. Rename one.`);
    taken.add(text.toLowerCase());
  }
}

/** Refuses what a row that is shown cannot have; whether it may have a column `final` is seen when it is known which rows they are. */
export function checkColumnName(name: string, at: Span): void {
  if (reserved.has(name.toLowerCase()) && !isFinal(name)) throw takenAlready(name, at);
  if (!columnForm.test(name))
    throw new SqlProblem(
      at,
      `${JSON.stringify(name)} is no name of a column: it begins with a letter and has letters, digits and _, at most 63. Write … AS name.`,
    );
}

/** Refuses a column `final` of rows that say by it whether they are. */
export function refuseFinal(columns: readonly { readonly name: string; readonly at?: Span }[], at: Span): void {
  const found = columns.find(({ name }) => isFinal(name));
  if (found !== undefined) throw takenAlready(found.name, found.at ?? at);
}

function isFinal(name: string): boolean {
  return name.toLowerCase() === 'final';
}

function takenAlready(name: string, at: Span): SqlProblem {
  return new SqlProblem(
    at,
    `every row of a view has a column ${name} already. Give this one another name: … AS my_${name.toLowerCase()}.`,
  );
}

/** The name that a column has when it is given none. */
export function defaultName({ expression }: Extract<SelectItem, { op: 'item' }>, position: number): string {
  return impliedName(expression) ?? `column_${position}`;
}

function impliedName(expression: Expression): string | undefined {
  switch (expression.op) {
    case 'column':
      return expression.path.at(-1)?.text;
    case 'call':
      return expression.name.toLowerCase();
    case 'cast':
      return impliedName(expression.operand);
    default:
      return undefined;
  }
}

/** A name that is not taken, which the case does not tell apart: `sum`, `sum_2`. */
export function freeName(wanted: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted.toLowerCase())) return wanted;
  let number = 2;
  while (taken.has(`${wanted}_${number}`.toLowerCase())) number += 1;
  return `${wanted}_${number}`;
}

/** A name of SQL as a pipeline, a stream or a view has it: `By_Ip` is `by-ip`. */
export function kebab(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '')
    .slice(0, 63);
}
