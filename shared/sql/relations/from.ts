import type { Expression, From, Query } from '#shared/sql/parse/ast.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import { planJoin } from './join.ts';
import type { Environment, Planned } from './plan.ts';
import { aliased, type Relation } from './relation.ts';
import { windowedRelation } from './windows.ts';

/** How a query within another one is planned. */
export type PlanQuery = (query: Query, env: Environment) => Planned;

/** What FROM reads, and the conditions of WHERE that are left: a join takes those that say what joins. */
export function planFrom(
  from: From,
  where: readonly Expression[],
  env: Environment,
  planQuery: PlanQuery,
): { readonly relation: Relation; readonly where: readonly Expression[] } {
  switch (from.op) {
    case 'table':
      if (from.asOf !== undefined)
        throw new SqlProblem(
          from.at,
          'FOR SYSTEM_TIME AS OF stands behind the table that is joined: … JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency.',
        );
      return { relation: aliased(env.tableNamed(from.name), (from.alias ?? from.name).text), where };
    case 'subquery': {
      const relation = planQuery(from.query, env.within(from.alias?.text ?? '')).relation();
      return { relation: aliased(relation, from.alias?.text), where };
    }
    case 'window-table': {
      const { relation } = planFrom(from.input, [], env, planQuery);
      return { relation: aliased(windowedRelation(from, relation), from.alias?.text), where };
    }
    case 'join':
      return planJoin(from, where, env, planQuery);
  }
}
