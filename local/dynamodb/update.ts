import { type Item, isPath, type Path, type Value, valueAt } from './condition.ts';

/** A change of an update expression as dynalite has parsed it. */
export type Change =
  | { readonly type: 'set'; readonly path: Path; readonly val: Operand }
  | { readonly type: 'add' | 'delete' | 'remove'; readonly path: Path };

type Operand =
  | Path
  | Value
  | { readonly type: 'add' | 'subtract' | 'function'; readonly name?: string; readonly args: readonly Operand[] };

/**
 * The changes such that all of them are of the item as it was, though dynalite makes one after the other: values are copied out of it
 * before anything changes, and what is taken out of a list goes last and from the back.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
 *
 *     a: [1, 2, 3]    REMOVE a[0], a[1] SET a[2] = :v    a: [:v]
 */
export function asOneChange(changes: readonly Change[], item: Item): readonly Change[] {
  const kept = changes
    .filter(({ type }) => type === 'set' || type === 'add')
    .map((change) => (change.type === 'set' ? { ...change, val: copyOut(change.val, item) } : change));
  const taken = changes.filter(({ type }) => type === 'remove' || type === 'delete');
  return [...kept, ...taken.sort((one, other) => backToFront(one.path, other.path))];
}

/** A path at which there is nothing stays, to be found missing. */
function copyOut(operand: Operand, item: Item): Operand {
  if (isPath(operand)) return structuredClone(valueAt(operand, item) ?? operand);
  if (!('type' in operand)) return operand;
  const args = operand.args.map((arg) => copyOut(arg, item));
  const [first, otherwise] = args;
  if (operand.name !== 'if_not_exists' || first === undefined || otherwise === undefined) return { ...operand, args };
  return isPath(first) ? otherwise : first;
}

/** Paths of one update differ in a name or in an index before either ends. */
function backToFront(one: Path, other: Path): number {
  const at = one.findIndex((piece, index) => piece !== other[index]);
  const [a, b] = [one[at], other[at]];
  return typeof a === 'number' && typeof b === 'number' ? b - a : String(a).localeCompare(String(b));
}
