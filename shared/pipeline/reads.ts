// biome-ignore lint/suspicious/noExplicitAny: functions of every kind.
export type AnyFunction = (...values: any[]) => unknown;

/** A way into a record: `['bid', 'price']` is `record.bid.price`. */
export type ReadPath = readonly string[];

/** What a function that we have made reads of its first argument, where its own text cannot tell. */
export interface KnownReads {
  /** It hands the argument to these, and does nothing else with it. */
  readonly through: readonly AnyFunction[];
  /** It reads these itself. */
  readonly paths: readonly ReadPath[];
  /** It makes an object, these fields of which are what lies on such a path; reading them does nothing else. */
  readonly parts?: ReadonlyMap<string, ReadPath>;
}

const known = new WeakMap<AnyFunction, KnownReads>();

/**
 * The function, known to hand its first argument to `through` and to nobody else. Fields that nobody reads need not be made (decision 0025),
 * and what a function reads that calls others is not to be seen in its text. `parts` are fields of the object that it makes, by the paths on
 * which they lie in its argument: they are read when somebody reads them of that object.
 */
export function readingThrough<F extends AnyFunction>(
  wrapper: F,
  through: readonly AnyFunction[],
  parts?: ReadonlyMap<string, ReadPath>,
): F {
  known.set(wrapper, { through, paths: [], ...(parts === undefined ? {} : { parts }) });
  return wrapper;
}

/** The function, known to read nothing of its first argument but these. */
export function readingPaths<F extends AnyFunction>(reader: F, paths: readonly ReadPath[]): F {
  known.set(reader, { through: [], paths });
  return reader;
}

/** What was said of the function; undefined when nothing was. */
export function knownReadsOf(reader: AnyFunction): KnownReads | undefined {
  return known.get(reader);
}
