import type { Call } from '../ast.ts';
import { roundTo } from '../cast.ts';
import { type Compiled, constantOf } from '../compiled.ts';
import { compileArithmetic } from '../operators.ts';
import { decimalType, doubleType, integerType, type SqlType, scaleOf } from '../types.ts';
import { argumentOf, type FunctionTable, type ScalarFunction, strictFunction } from './signature.ts';

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
const ceiling = strictFunction('CEIL(x)', ['number'], whole, (value: number) => Math.ceil(value) + 0);
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
  TRUNC: strictFunction('TRUNC(x)', ['number'], whole, (value: number) => Math.trunc(value) + 0),
  FLOOR: strictFunction('FLOOR(x)', ['number'], whole, (value: number) => Math.floor(value)),
  CEIL: ceiling,
  CEILING: ceiling,
  MOD: operator('MOD(x, divisor)', '%'),
  DIV: operator('DIV(x, divisor)', '//'),
  POWER: power,
  POW: power,
  SQRT: real('SQRT(x)', Math.sqrt),
  EXP: real('EXP(x)', Math.exp),
  LN: real('LN(x)', Math.log),
  LOG10: real('LOG10(x)', Math.log10),
  LOG2: real('LOG2(x)', Math.log2),
  SIGN: strictFunction('SIGN(x)', ['number'], integerType, (value: number) => Math.sign(value) + 0),
};
