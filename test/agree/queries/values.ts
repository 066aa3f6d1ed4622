import type { Draw } from '#test/fuzz/targets.ts';
import { forms, literals } from './forms.ts';
import { formed, type Piece, word } from './piece.ts';

/** A type of values here. */
export const kinds = ['integer', 'decimal', 'double', 'text', 'boolean', 'timestamp', 'date', 'interval'] as const;
/** `inexact` is a number whose last digits are a matter of how it is computed: it is shown, and nothing is made of it. */
export type Kind = (typeof kinds)[number] | 'texts' | 'inexact';

/** What an expression may name, by type. */
export interface Scope {
  readonly columns: readonly Named[];
}
export interface Named {
  readonly name: string;
  readonly kind: Kind;
  /** What stands for it, where it has no name of its own: an aggregate. */
  readonly piece?: Piece;
}

const formsOf = Map.groupBy(forms, ([kind]) => kind);

/** The simplest values of a type. */
export function leavesOf(kind: string): readonly Piece[] {
  return kinds.some((one) => one === kind)
    ? (literals[kind] ?? []).map(([own, theirs]) => word(kind, own, theirs))
    : [];
}

/** A value of a type, of so many functions one in another at most. */
export function drawValue(draw: Draw, given: string, scope: Scope, depth: number): Piece {
  const [, leaf] = given.split(':');
  if (leaf !== undefined) return drawLeaf(draw, leaf, scope);
  const kind =
    given === 'number'
      ? draw.pick(['integer', 'decimal', 'double'])
      : given === 'time'
        ? draw.pick(['timestamp', 'date'])
        : given === 'any'
          ? draw.pick(['integer', 'decimal', 'text', 'boolean', 'timestamp', 'date'])
          : given;
  const found = formsOf.get(kind);
  if (found === undefined || depth <= 0 || draw.chance(0.15)) return drawLeaf(draw, kind, scope);
  const [, own, theirs] = draw.pick(found);
  const wanted = [...own.matchAll(/\{([a-z:]+)\}/g)].map(([, name]) => name as string);
  let place = 0;
  const numbered = own.replaceAll(/\{[a-z:]+\}/g, () => `{${place++}}`);
  const parts = wanted.map((name) => drawValue(draw, name, scope, depth - 1));
  return formed(kind, parts, `(${numbered})`, `(${theirs ?? numbered})`);
}

function drawLeaf(draw: Draw, kind: string, scope: Scope): Piece {
  const columns = scope.columns.filter((column) => column.kind === kind);
  if (columns.length > 0 && draw.chance(0.75)) {
    const { name, piece } = draw.pick(columns);
    return piece ?? word(kind, name);
  }
  const [own, theirs] = draw.pick(literals[kind] ?? []);
  return word(kind, own, theirs);
}
