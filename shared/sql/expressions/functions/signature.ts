import type { Call } from '#shared/sql/parse/ast.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import { castTo } from '../cast.ts';
import { type Compiled, type Strict, strictly } from '../compiled.ts';
import { asNumber, asText, checkedAs, timeOfNumber } from '../operators.ts';
import { describeType, integerType, isNumeric, type SqlType, timestampType } from '../types.ts';

/** A function of a record's values. */
export interface ScalarFunction {
  /** How it is written. */
  readonly form: string;
  readonly count: readonly [min: number, max: number];
  readonly compile: (args: readonly Compiled[], call: Call) => Compiled;
}
export type FunctionTable = Readonly<Record<string, ScalarFunction>>;

/** What a parameter takes. */
export type Parameter = 'text' | 'number' | 'integer' | 'time' | 'value';

/** A function that is NULL when one of its arguments is, with a type for each parameter; those behind `needed` may be left out. */
export function strictFunction(
  form: string,
  parameters: readonly Parameter[],
  type: SqlType | ((args: readonly Compiled[]) => SqlType),
  call: Strict,
  options: { readonly needed?: number; readonly nullable?: boolean } = {},
): ScalarFunction {
  return {
    form,
    count: [options.needed ?? parameters.length, parameters.length],
    compile: (given, { name, args: places }) => {
      const args = given.map((arg, index) =>
        argumentOf(arg, parameters[index] as Parameter, { place: places[index] as Call['args'][number], form }),
      );
      const found = typeof type === 'function' ? type(args) : type;
      const text = `${name}(${args.map((arg) => arg.text).join(', ')})`;
      return strictly({ type: found, text, args, call, ...(options.nullable === true ? { nullable: true } : {}) });
    },
  };
}

/** An argument as its parameter takes it, or what is wrong with it. */
export function argumentOf(
  arg: Compiled,
  parameter: Parameter,
  { place: { at }, form }: { readonly place: Call['args'][number]; readonly form: string },
): Compiled {
  const { kind } = arg.type;
  const isCount = parameter === 'time' && isNumeric(arg.type);
  const advice = isCount ? `Make one of it: ${timeOfNumber}.` : 'Cast it: CAST(x AS …).';
  const wrong = (wanted: string): SqlProblem =>
    new SqlProblem(at, `expected ${wanted} in ${form}, and found ${describeType(arg.type)}. ${advice}`);
  switch (parameter) {
    case 'value':
      return arg;
    case 'text':
      if (kind === 'string' || kind === 'null') return arg;
      if (kind === 'any') return checkedAs(arg, 'string', { kind: 'string' });
      throw wrong('a text');
    case 'number':
    case 'integer':
      if (kind === 'boolean' || kind === 'row' || kind === 'array' || (kind === 'string' && !arg.isConstant))
        throw wrong('a number');
      if (kind === 'timestamp' || kind === 'date' || kind === 'interval' || kind === 'months') throw wrong('a number');
      return parameter === 'number' ? asNumber(arg, at, form) : castTo(asNumber(arg, at, form), integerType, false, at);
    case 'time':
      if (kind === 'timestamp' || kind === 'date' || kind === 'null') return arg;
      if (kind === 'any' || (kind === 'string' && arg.isConstant)) return castTo(arg, timestampType, false, at);
      throw wrong('a timestamp');
  }
}

/** Where an argument of a call stands; the call itself where there is none. */
export function placeOf({ args, at }: Call, index: number): Call['at'] {
  return args[index]?.at ?? at;
}

/** Any values as texts. */
export function textsOf(args: readonly Compiled[], { args: places }: Call): readonly Compiled[] {
  return args.map((arg, index) => asText(arg, (places[index] as Call['args'][number]).at));
}
