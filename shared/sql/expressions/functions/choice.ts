import type { Call } from '#shared/sql/parse/ast.ts';
import { type Compiled, folded } from '../compiled.ts';
import { checkOrdered, compileComparison, condition, orderOf } from '../operators.ts';
import { unified } from '../unified.ts';
import type { FunctionTable, ScalarFunction } from './signature.ts';

const placesOf = ({ args }: Call): readonly Call['at'][] => args.map(({ at }) => at);

/** The greatest, or the least, of the values that are not NULL, as in PostgreSQL and DuckDB. */
function extreme(name: string, sign: 1 | -1): ScalarFunction {
  return {
    form: `${name}(a, b, …)`,
    count: [1, Number.POSITIVE_INFINITY],
    compile: (given, call) => {
      const args = unified(given, placesOf(call), name);
      const { type } = args[0] as Compiled;
      checkOrdered(type, call.at);
      const evaluates = args.map((arg) => arg.evaluate);
      return folded({
        type,
        nullable: args.every((arg) => arg.nullable),
        isConstant: args.every((arg) => arg.isConstant),
        text: `${name}(${args.map((arg) => arg.text).join(', ')})`,
        evaluate: (values) => {
          let best: unknown = null;
          for (const evaluate of evaluates) {
            const value = evaluate(values);
            if (value !== null && (best === null || orderOf(value, best) * sign > 0)) best = value;
          }
          return best;
        },
      });
    },
  };
}

const coalesce: ScalarFunction = {
  form: 'COALESCE(a, b, …)',
  count: [1, Number.POSITIVE_INFINITY],
  compile: (given, call) => {
    const args = unified(given, placesOf(call), 'COALESCE');
    const evaluates = args.map((arg) => arg.evaluate);
    return folded({
      type: (args[0] as Compiled).type,
      nullable: args.every((arg) => arg.nullable),
      isConstant: args.every((arg) => arg.isConstant),
      text: `COALESCE(${args.map((arg) => arg.text).join(', ')})`,
      evaluate: (values) => {
        for (const evaluate of evaluates) {
          const value = evaluate(values);
          if (value !== null) return value;
        }
        return null;
      },
    });
  },
};

/** NULL where both are equal, otherwise the first. */
const nullIf: ScalarFunction = {
  form: 'NULLIF(a, b)',
  count: [2, 2],
  compile: (args, call) => {
    const [value, other] = args as readonly [Compiled, Compiled];
    const equal = compileComparison('=', value, other, call.at);
    return folded({
      type: value.type,
      nullable: true,
      isConstant: value.isConstant && other.isConstant,
      text: `NULLIF(${value.text}, ${other.text})`,
      evaluate: (values) => (equal.evaluate(values) === true ? null : value.evaluate(values)),
    });
  },
};

const choose: ScalarFunction = {
  form: 'IF(condition, a, b)',
  count: [3, 3],
  compile: (args, call) => {
    const [given, ...rest] = args as readonly [Compiled, Compiled, Compiled];
    const test = condition(given, (call.args[0] as Call['args'][number]).at);
    const [then, otherwise] = unified(rest, placesOf(call).slice(1), 'IF') as readonly [Compiled, Compiled];
    return folded({
      type: then.type,
      nullable: then.nullable || otherwise.nullable,
      isConstant: args.every((arg) => arg.isConstant),
      text: `IF(${test.text}, ${then.text}, ${otherwise.text})`,
      evaluate: (values) => (test.evaluate(values) === true ? then : otherwise).evaluate(values),
    });
  },
};

/** Functions that choose one of several values. */
export const choiceFunctions: FunctionTable = {
  COALESCE: coalesce,
  IFNULL: { ...coalesce, form: 'IFNULL(a, b)', count: [2, 2] },
  NULLIF: nullIf,
  IF: choose,
  GREATEST: extreme('GREATEST', 1),
  LEAST: extreme('LEAST', -1),
};
