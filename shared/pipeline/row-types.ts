import type { StepDefinition } from './stream.ts';

// What the types say of rows and their keys.

export type KeyValue = string | number | boolean;
export type KeyShape = Readonly<Record<string, KeyValue>>;
export type Simplify<T> = { [P in keyof T]: T[P] } & {};
// biome-ignore lint/suspicious/noExplicitAny: only the result's type is read off the aggregator.
type ResultOf<A> = A extends { readonly result: (accumulator: any) => infer Out } ? Out : never;
export type ResultRow<A> = { readonly [Column in keyof A]: ResultOf<A[Column]> };
export type NumericColumn<Row> = { [C in keyof Row]: Row[C] extends number ? C : never }[keyof Row] & string;

/** The names in `T` that the compiler knows; a dictionary has others, which are looked at when the pipeline is made and runs. */
export type NamesOf<T> = T extends unknown
  ? keyof { [Name in keyof T as string extends Name ? never : Name]: T[Name] }
  : never;
/** `T`, unless it has one of the names `Taken`: a row has one column of a name. */
export type Without<T, Taken> = T & {
  readonly [Name in NamesOf<T> & Taken]: 'this name is taken by another column of the row';
};

export interface WindowBounds {
  readonly windowStart: Date;
  readonly windowEnd: Date;
}

/** A finished branch of a pipeline. `__key` and `__row` exist in the types only. */
export interface Output<Name extends string, K, Row> {
  readonly name: Name;
  readonly step: StepDefinition;
  readonly __key?: K;
  readonly __row?: Row;
}
