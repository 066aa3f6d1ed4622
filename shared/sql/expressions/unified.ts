import { type Span, SqlProblem } from '#shared/sql/parse/problem.ts';
import type { Compiled } from './compiled.ts';
import { alike } from './operators.ts';
import { asOneOf } from './printed.ts';
import { anyType, commonType, describeType, nullType, type SqlType } from './types.ts';

/** Values of which one will be taken, with the one type that holds them all. A literal text beside a time is read as one. */
export function unified(values: readonly Compiled[], places: readonly Span[], what: string): readonly Compiled[] {
  let type: SqlType = nullType;
  const adapted = values.map((value, index) => {
    const at = places[index] as Span;
    let one = value;
    const other = values.find((candidate) => candidate.type.kind === 'timestamp' || candidate.type.kind === 'date');
    if (other !== undefined && value.type.kind === 'string' && value.isConstant) [one] = alike(value, other, at);
    const common = commonType(type, one.type);
    if (common === undefined)
      throw new SqlProblem(
        at,
        `${what} gives ${describeType(type)} before and ${describeType(one.type)} here. Cast one of them.`,
      );
    type = common;
    return one;
  });
  // A value of one kind among others of several is looked at when it is there.
  return adapted.map((value) => asOneOf(type.kind === 'null' ? anyType : type, value));
}
