import type { Call } from '#shared/sql/parse/ast.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import { roundTo } from '../cast.ts';
import { type Compiled, constantOf } from '../compiled.ts';
import { compileArithmetic } from '../operators.ts';
import { decimalType, doubleType, integerType, type SqlType, scaleOf } from '../types.ts';
import { argumentOf, type FunctionTable, type ScalarFunction, strictFunction } from './signature.ts';
import { ceilTo, floorTo } from './time.ts';

const same = (args: readonly Compiled[]): SqlType => (args[0] as Compiled).type;
const whole = (args: readonly Compiled[]): SqlType => (same(args).kind === 'double' ? doubleType : integerType);

/** A decimal has as many digits as are asked for; without a number of digits a whole number. */
function roundedType(args: readonly Compiled[]): SqlType {
  const [value, digits] = args;
  const type = (value as Compiled).type;
  if (digits === undefined) return whole(args);
  const count = constantOf(digits);
  if (type.kind !== 'decimal' || typeof count !== 'number') return type;
  return decimalType(Math.max(0, Math.min(scaleOf(type), count)));
}

const real = (form: string, call: (value: number) => number): FunctionTable[string] =>
  strictFunction(form, ['number'], doubleType, call, { nullable: true });

/** An operator that may be written as a function too. */
const operator = (form: string, sign: '%' | '//'): ScalarFunction => ({
  form,
  count: [2, 2],
  compile: (args, { args: places, at }) => {
    const [value, divisor] = args.map((arg, index) =>
      argumentOf(arg, 'number', { place: places[index] as Call['args'][number], form }),
    ) as [Compiled, Compiled];
    return compileArithmetic(sign, value, divisor, at);
  },
});
/** Cut behind so many digits, without a computation that would make 0.29 of 0.3 less. */
function cut(value: number, digits = 0): number {
  if (digits <= 0) return Math.trunc(value / 10 ** -digits) * 10 ** -digits + 0;
  const rounded = roundTo(value, digits);
  if (Math.abs(rounded) <= Math.abs(value)) return rounded;
  return roundTo(rounded - Math.sign(value) * 10 ** -digits, digits);
}

/** Of a number, or of a time to a unit. */
function rounding(name: string, ofNumber: ScalarFunction, ofTime: ScalarFunction): ScalarFunction {
  const form = `${name}(x) or ${name}(time TO unit)`;
  return {
    form,
    count: [1, 2],
    compile: (args, call) => {
      if (args.length === 1) return ofNumber.compile(args, call);
      const [unit] = call.args;
      if (unit?.op === 'literal' && unit.kind === 'string') return ofTime.compile(args, call);
      throw new SqlProblem(
        call.at,
        `${name} takes 1 argument, and found 2. Write ${form}; ROUND and TRUNC take digits.`,
      );
    },
  };
}

const floor = strictFunction('FLOOR(x)', ['number'], whole, (value: number) => Math.floor(value));
const ceil = strictFunction('CEIL(x)', ['number'], whole, (value: number) => Math.ceil(value) + 0);
const truncate = strictFunction('TRUNC(x, digits)', ['number', 'integer'], roundedType, cut, { needed: 1 });
const power = strictFunction(
  'POWER(x, exponent)',
  ['number', 'number'],
  doubleType,
  (value: number, exponent: number) => value ** exponent,
  { nullable: true },
);

/** Functions of numbers. What has no value, such as LN(0), is NULL. */
export const numberFunctions: FunctionTable = {
  ABS: strictFunction('ABS(x)', ['number'], same, (value: number) => Math.abs(value)),
  ROUND: strictFunction(
    'ROUND(x, digits)',
    ['number', 'integer'],
    roundedType,
    (value: number, digits = 0) => roundTo(value, digits),
    { needed: 1 },
  ),
  TRUNC: truncate,
  TRUNCATE: truncate,
  FLOOR: rounding('FLOOR', floor, floorTo),
  CEIL: rounding('CEIL', ceil, ceilTo),
  CEILING: rounding('CEILING', ceil, ceilTo),
  MOD: operator('MOD(x, divisor)', '%'),
  DIV: operator('DIV(x, divisor)', '//'),
  POWER: power,
  POW: power,
  SQRT: real('SQRT(x)', Math.sqrt),
  EXP: real('EXP(x)', Math.exp),
  LN: real('LN(x)', Math.log),
  LOG10: real('LOG10(x)', Math.log10),
  LOG2: real('LOG2(x)', Math.log2),
  SIN: real('SIN(x)', Math.sin),
  COS: real('COS(x)', Math.cos),
  TAN: real('TAN(x)', Math.tan),
  ASIN: real('ASIN(x)', Math.asin),
  ACOS: real('ACOS(x)', Math.acos),
  ATAN: real('ATAN(x)', Math.atan),
  ATAN2: strictFunction('ATAN2(y, x)', ['number', 'number'], doubleType, (y: number, x: number) => Math.atan2(y, x)),
  DEGREES: real('DEGREES(x)', (radians) => (radians * 180) / Math.PI),
  RADIANS: real('RADIANS(x)', (degrees) => (degrees * Math.PI) / 180),
  PI: strictFunction('PI()', [], doubleType, () => Math.PI),
  SIGN: strictFunction('SIGN(x)', ['number'], integerType, (value: number) => Math.sign(value) + 0),
};
