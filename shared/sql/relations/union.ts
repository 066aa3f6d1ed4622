import { union } from '#shared/pipeline/combine.ts';
import type { Stream } from '#shared/pipeline/stream.ts';
import type { Compiled, Values } from '#shared/sql/expressions/compiled.ts';
import { asOneOf } from '#shared/sql/expressions/printed.ts';
import { commonType, describeType } from '#shared/sql/expressions/types.ts';
import type { Select } from '#shared/sql/parse/ast.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import type { Planned } from './plan.ts';
import { compiledColumn, once, type Relation, selectedRelation } from './relation.ts';
import { recordsOutput } from './select.ts';
import { refuseNumbers } from './step-table.ts';
import { expanded } from './windows.ts';

/** `SELECT … UNION ALL SELECT …`: the rows of all, by the places of their columns; the names are the first one's. */
export function planUnion(parts: readonly Planned[], selects: readonly Select[]): Planned {
  const [first] = parts as readonly [Planned];
  const types = first.columns.map(({ name, type }, place) =>
    parts.reduce((found, part, index) => {
      const own = part.columns[place];
      const at = (selects[index] as Select).at;
      if (own === undefined || part.columns.length !== first.columns.length)
        throw new SqlProblem(
          at,
          `the queries of UNION ALL have one number of columns: this one has ${part.columns.length}, the first ${first.columns.length}.`,
        );
      const common = commonType(found, own.type);
      if (common === undefined)
        throw new SqlProblem(
          at,
          `column ${name} is of type ${describeType(found)} in the first query and of type ${describeType(own.type)} in this one. Cast one of them.`,
        );
      return common;
    }, type),
  );
  const relation = once((): Relation => {
    const relations = parts.map((part, index) => {
      const own = part.relation();
      refuseNumbers(own.ranking);
      return alike(expanded(own, (selects[index] as Select).at), first, types);
    });
    const streams = relations.map((one) => one.stream());
    const isTimed = first.columns.map((_, place) => relations.every((one) => one.columns[place]?.role === 'time'));
    const own = relations[0] as Relation;
    const identity = relations.map((one) => one.identity).join(' union ');
    const { windows: _windows, ...rest } = own;
    return {
      ...rest,
      identity,
      baseIdentity: identity,
      allowedLatenessMs: Math.max(...relations.map((one) => one.allowedLatenessMs)),
      columns: own.columns.map(({ role: _role, ...column }, place) => ({
        ...column,
        nullable: true,
        ...(isTimed[place] === true ? { role: 'time' as const } : {}),
      })),
      stream: once(() => union(...(streams as [Stream<Values>, Stream<Values>]))),
    };
  });
  return {
    columns: first.columns.map(({ name }, place) => ({ name, type: types[place] as (typeof types)[number] })),
    relation,
    output: (name, sinks) => {
      const rows = relation();
      return recordsOutput(
        {
          relation: rows,
          at: (selects[0] as Select).at,
          selected: rows.columns.map((column) => ({ name: column.name, compiled: compiledColumn(column) })),
        },
        name,
        sinks,
      );
    },
  };
}

/** The relation with the names of the first and the types of all. */
function alike(relation: Relation, { columns }: Planned, types: readonly Compiled['type'][]): Relation {
  const selected = relation.columns.map((column, place) => ({
    name: columns[place]?.name as string,
    compiled: asOneOf(types[place] as Compiled['type'], compiledColumn(column)),
    ...(column.role === 'time' ? { role: column.role } : {}),
  }));
  return selectedRelation(relation, selected, relation.identity);
}
