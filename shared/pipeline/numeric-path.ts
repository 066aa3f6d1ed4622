/** The columns that hold a number or null, and the paths to such parts of those that hold objects or lists: `latency.p99`, `sizes.0`. */
export type NumericPath<Row, Deeper extends readonly unknown[] = [1, 1]> = {
  [C in keyof Row & string]: PathsFrom<C, Exclude<Row[C], null>, Deeper>;
}[keyof Row & string];
type PathsFrom<C extends string, Value, Deeper extends readonly unknown[]> = [Value] extends [number]
  ? C
  : [Value] extends [Date | string | boolean]
    ? never
    : [Value] extends [readonly (number | null)[]]
      ? `${C}.${number}`
      : [Value] extends [readonly unknown[]]
        ? never
        : [Value, Deeper] extends [object, readonly [unknown, ...infer Rest]]
          ? `${C}.${NumericPath<Value, Rest>}`
          : never;
