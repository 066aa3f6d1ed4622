import { aggregateNames, rankNames } from './aggregate-names.ts';
import type { Call, Expression } from './ast.ts';

/** The parts of an expression, one level down. A query within is none. */
export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.op) {
    case 'unary':
    case 'cast':
    case 'is':
      return [expression.operand];
    case 'binary':
      return [expression.left, expression.right];
    case 'call':
      return [
        ...expression.args,
        ...(expression.filter === undefined ? [] : [expression.filter]),
        ...(expression.over?.partition ?? []),
        ...(expression.over?.order ?? []).map((item) => item.expression),
        ...(expression.withinGroup ?? []).map((item) => item.expression),
      ];
    case 'case':
      return [
        ...(expression.operand === undefined ? [] : [expression.operand]),
        ...expression.branches.flatMap(({ when, result }) => [when, result]),
        ...(expression.otherwise === undefined ? [] : [expression.otherwise]),
      ];
    case 'between':
      return [expression.operand, expression.low, expression.high];
    case 'in':
      return [expression.operand, ...expression.list];
    case 'like':
      return [expression.operand, expression.pattern, ...(expression.escape === undefined ? [] : [expression.escape])];
    default:
      return [];
  }
}

/** The first part, from the outside in, of which `test` holds. */
export function findPart(expression: Expression, test: (part: Expression) => boolean): Expression | undefined {
  const waiting: Expression[] = [expression];
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (test(part)) return part;
    waiting.push(...partsOf(part));
  }
  return undefined;
}

export function isAggregate(expression: Expression): expression is Call {
  return expression.op === 'call' && aggregateNames.has(expression.name);
}

export function isRank(expression: Expression): expression is Call {
  return expression.op === 'call' && rankNames.has(expression.name);
}

/** The conditions that AND puts together. */
export function conjunctsOf(condition: Expression | undefined): readonly Expression[] {
  if (condition === undefined) return [];
  if (condition.op !== 'binary' || condition.sign !== 'AND') return [condition];
  return [...conjunctsOf(condition.left), ...conjunctsOf(condition.right)];
}
