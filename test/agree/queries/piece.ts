/**
 * A part of a query in the words of Millrace and in those of DuckDB, made of parts. What differs is shown with the smallest query that still
 * differs, which is found by making any part of it smaller, so all of a query is made of these.
 */
export interface Piece {
  /** The type of a value; `list` and `clause` may be cut down and left out, and everything else has to be there. */
  readonly kind: string;
  readonly parts: readonly Piece[];
  readonly own: (parts: readonly string[]) => string;
  readonly theirs: (parts: readonly string[]) => string;
}

export function ownText({ parts, own }: Piece): string {
  return own(parts.map(ownText));
}

export function theirText({ parts, theirs }: Piece): string {
  return theirs(parts.map(theirText));
}

/** A text that is the same in both. */
export function word(kind: string, own: string, theirs = own): Piece {
  return { kind, parts: [], own: () => own, theirs: () => theirs };
}

/** Parts in their places: `{0}` is the first. */
export function formed(kind: string, parts: readonly Piece[], own: string, theirs = own): Piece {
  const into =
    (form: string) =>
    (texts: readonly string[]): string =>
      form.replaceAll(/\{(\d+)\}/g, (_, place: string) => texts[Number(place)] ?? '');
  return { kind, parts, own: into(own), theirs: into(theirs) };
}

/** Some parts one behind the other, at least one of which stays. */
export function listed(parts: readonly Piece[], between = ', '): Piece {
  const join = (texts: readonly string[]): string => texts.join(between);
  return { kind: 'list', parts, own: join, theirs: join };
}

const nothing = word('nothing', '');

/** Something that may be left out. */
export function clause(part: Piece, own = '{0}', theirs = own): Piece {
  return formed('clause', [part], own, theirs);
}

/** The piece with something smaller in one place, for each place and what may stand there. */
export function* smaller(piece: Piece, leaves: (kind: string) => readonly Piece[]): Generator<Piece> {
  if (piece.kind === 'clause') yield nothing;
  if (piece.kind === 'list' && piece.parts.length > 1)
    for (const at of piece.parts.keys()) yield { ...piece, parts: piece.parts.toSpliced(at, 1) };
  if (piece.parts.length > 0) {
    for (const leaf of leaves(piece.kind)) yield leaf;
    for (const within of inside(piece)) if (within.kind === piece.kind && piece.kind !== 'list') yield within;
  }
  for (const [at, part] of piece.parts.entries())
    for (const one of smaller(part, leaves)) yield { ...piece, parts: piece.parts.with(at, one) };
}

function* inside({ parts }: Piece): Generator<Piece> {
  for (const part of parts) {
    yield part;
    yield* inside(part);
  }
}
