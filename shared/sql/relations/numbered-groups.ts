import type { ColumnReference, Expression, Select, SelectItem } from '#shared/sql/parse/ast.ts';
import { defaultName } from '#shared/sql/parse/names.ts';
import { findPart, isAggregate, isRank } from '#shared/sql/parse/walk.ts';
import { isSame } from './relation.ts';

type Item = Extract<SelectItem, { op: 'item' }>;

/**
 * `SELECT *, ROW_NUMBER() OVER (…) AS n FROM (SELECT …, share FROM t GROUP BY …)` as the one query that has the groups and numbers them, where the
 * groups show totals: these are known to no other query. Undefined for what is no such query, or more than one.
 */
export function numberedGroups(select: Select): Select | undefined {
  const { from } = select;
  const number = select.items.find((item): item is Item => item.op === 'item' && isRank(item.expression));
  const isPlain = select.where === undefined && select.groupBy.length === 0 && select.having === undefined;
  if (number === undefined || from?.op !== 'subquery' || !isPlain || select.distinct) return undefined;
  const { views, selects, order, limit } = from.query;
  const [groups, ...others] = selects;
  if (groups === undefined || others.length > 0 || views.length > 0 || order.length > 0 || limit !== undefined)
    return undefined;
  const shown = groups.items.filter((item) => item.op === 'item');
  if (shown.length < groups.items.length || !shown.some(({ expression }) => findPart(expression, isTotal)))
    return undefined;
  const named = shown.map((item, index): Item => {
    const alias = item.alias ?? { text: defaultName(item, index + 1), at: item.at };
    return { ...item, alias };
  });
  const itemOf = ({ path }: ColumnReference): Item | undefined => {
    const name = path.at(-1)?.text ?? '';
    const [table] = path.slice(0, -1);
    if (path.length > 2 || (table !== undefined && !isSame(table.text, from.alias?.text ?? ''))) return undefined;
    return named.find(({ alias }) => isSame(alias?.text ?? '', name));
  };
  const meant = (expression: Expression): Expression | undefined =>
    expression.op === 'column' ? itemOf(expression)?.expression : undefined;

  const items: SelectItem[] = [];
  for (const item of select.items) {
    if (item.op === 'all') items.push(...named);
    else if (item === number) {
      const numbered = numberedBy(number, meant);
      if (numbered === undefined) return undefined;
      items.push(numbered);
    } else {
      const inner = item.expression.op === 'column' ? itemOf(item.expression) : undefined;
      if (inner === undefined) return undefined;
      items.push({ ...inner, alias: item.alias ?? inner.alias } as Item);
    }
  }
  const groupBy = groups.groupBy.map((key) => placedKey(named, key));
  const conditions = groups.having === undefined ? [] : [groups.having];
  if (groups.items.some((item) => isLost(item, items, [...groupBy, ...conditions]))) return undefined;
  return { ...groups, items, groupBy };
}

/** A total over all groups. */
function isTotal(part: Expression): boolean {
  return part.op === 'query' || (isAggregate(part) && part.over !== undefined);
}

function numberedBy(item: Item, meant: (expression: Expression) => Expression | undefined): Item | undefined {
  const { expression: call } = item;
  if (call.op !== 'call' || call.over === undefined) return undefined;
  const partition = call.over.partition.flatMap((part) => meant(part) ?? []);
  const order = call.over.order.flatMap((one) => {
    const expression = meant(one.expression);
    return expression === undefined ? [] : [{ ...one, expression }];
  });
  if (partition.length < call.over.partition.length || order.length < call.over.order.length) return undefined;
  return { ...item, expression: { ...call, over: { ...call.over, partition, order } } };
}

/** `GROUP BY 1` is the first column that the groups show. */
function placedKey(named: readonly Item[], key: Expression): Expression {
  const isPlace = key.op === 'literal' && key.kind === 'number';
  return (isPlace ? named[Number(key.text) - 1]?.expression : undefined) ?? key;
}

/** Whether an alias may be meant somewhere that the items do not have any more. */
function isLost(item: SelectItem, items: readonly SelectItem[], where: readonly Expression[]): boolean {
  if (item.op === 'all' || item.alias === undefined) return false;
  const { expression, alias } = item;
  const isKept = items.some((one) => one.op === 'item' && one.expression === expression && one.alias === alias);
  const names = (part: Expression): boolean =>
    part.op === 'column' && part.path.length === 1 && isSame(part.path[0]?.text ?? '', alias.text);
  return !isKept && where.some((one) => findPart(one, names) !== undefined);
}
