import { MillraceError } from '#shared/schemas/error.ts';
import { checkCallback } from './check-callbacks.ts';
import { readingThrough } from './reads.ts';
import { given, givenOptions, isTrue, shown } from './refuse.ts';
import { hashText, textOfRecord } from './select.ts';
import type { Stream, StreamNode } from './stream.ts';

/** What a stream offers to be cut into parts. */
export interface Parts<T> {
  /**
   * Cuts the stream in parts: each record is in the first one whose predicate holds, in the order in which they are written, or in `otherwise`.
   * Type guards narrow.
   *
   * `const { errors, otherwise } = requests.branch({ errors: (r) => r.status >= 400 });`
   */
  branch<const B extends Branches<T>>(
    branches: B,
  ): { readonly [Name in keyof B]: Stream<GuardedBy<B[Name], T>> } & {
    readonly otherwise: Stream<Exclude<T, NarrowedBy<B[keyof B]>>>;
  };
  /**
   * Keeps a share of the records, from 0 to 1, or, with `by`, all records of a share of the keys that it gives. Which ones is told by a hash: the
   * same in every attempt and run, so equal records are kept or dropped together. Another `seed` keeps others.
   */
  sample(share: number, options?: { readonly by?: (record: T) => string | number; readonly seed?: number }): Stream<T>;
}

type Branches<T> = Readonly<Record<string, (record: T) => boolean>>;
/** What is left of `T` where a guard holds; all of it where a predicate says nothing of types. */
// biome-ignore lint/suspicious/noExplicitAny: a type guard narrows what it is given.
type GuardedBy<P, T> = P extends (record: any) => record is infer U ? Extract<T, U> : T;
// biome-ignore lint/suspicious/noExplicitAny: as above.
type NarrowedBy<P> = P extends (record: any) => record is infer U ? U : never;

type StreamOf = <T>(node: StreamNode) => Stream<T>;
type Predicate = (record: unknown) => boolean;

/** The parts of the stream at a node. */
export function partsOf<T>(node: StreamNode, streamOf: StreamOf): Parts<T> {
  const filtered = (call: Predicate): Stream<never> => streamOf({ op: 'filter', input: node, call });
  return {
    branch: (branches) => {
      const entries = Object.entries(
        given('branch', 'predicates', branches, 'them by name, such as { errors: (record) => record.status >= 500 }'),
      ) as readonly (readonly [name: string, holds: Predicate])[];
      const wrong = entries.find(([name]) => name === 'otherwise' || /^\d+$/.test(name));
      // JavaScript gives numbers before other names, whatever was written first.
      if (wrong !== undefined)
        throw new MillraceError(
          'PIPELINE_INVALID',
          `a branch is called ${JSON.stringify(wrong[0])}; use a name that is no number, and not otherwise.`,
        );
      for (const [name, holds] of entries) checkCallback('branch:', `predicate ${name}`, holds);
      const isFirst = (at: number, record: unknown): boolean =>
        entries.findIndex(([name, holds]) => isTrue(`branch ${name}`, holds(record))) === at;
      const partAt = (at: number): Stream<never> =>
        filtered(
          readingThrough(
            (record: unknown) => isFirst(at, record),
            entries.map(([, holds]) => holds),
          ),
        );
      const parts = entries.map(([name], at) => [name, partAt(at)]);
      return Object.fromEntries([...parts, ['otherwise', partAt(-1)]]);
    },
    sample: (share, options = {}) => {
      const { by, seed = 0 } = givenOptions('sample', options, ['by', 'seed'], '{ by: (record) => record.user }');
      if (typeof share !== 'number' || !(share >= 0 && share <= 1))
        throw new MillraceError('PIPELINE_INVALID', `a sample is a share of ${shown(share)}; it must be from 0 to 1.`);
      if (typeof seed !== 'number')
        throw new MillraceError('PIPELINE_INVALID', `a sample has ${shown(seed)} for its seed; give a number.`);
      if (by !== undefined) checkCallback('sample:', 'by', by);
      const textOf = (record: unknown): string => (by === undefined ? textOfRecord(record) : String(by(record as T)));
      const isKept: Predicate = (record) => hashText(`${seed}:${textOf(record)}`) < share * 2 ** 32;
      return filtered(by === undefined ? isKept : readingThrough(isKept, [by]));
    },
  };
}
