import { SqlProblem } from '#shared/sql/parse/problem.ts';
import { type Compiled, constantOf, type Strict, strictly } from '../compiled.ts';
import { booleanType, describeType, type SqlType, stringType } from '../types.ts';
import { type FunctionTable, placeOf, type ScalarFunction } from './signature.ts';

/** A part of a path: the field of an object, or the element of a list, counted from 0 as in all paths of JSON. */
type Step = string | number;

const stepForm = /\.([\p{L}_$][\p{L}\p{N}_$-]*)|\.?\[\s*(?:(\d{1,9})|'([^']*)'|"([^"]*)")\s*\]/uy;

/** `$.a.b[0]['c d']`, with `lax` before it or `strict`; undefined for what is no such path. */
function stepsOf(path: string): readonly Step[] | undefined {
  const [start = ''] = /^\s*(?:(?:lax|strict)\s+)?\$/.exec(path) ?? [];
  if (start === '') return undefined;
  const steps: Step[] = [];
  stepForm.lastIndex = start.length;
  for (let at = start.length; at < path.trimEnd().length; at = stepForm.lastIndex) {
    const found = stepForm.exec(path);
    if (found === null) return undefined;
    const [, name, index, single, double] = found;
    steps.push(index === undefined ? ((name ?? single ?? double) as string) : Number(index));
  }
  return steps;
}

/** A function of what is found at a path in JSON, which is a text or is read already. What is no JSON has nothing. */
function atPath(
  form: string,
  type: SqlType,
  { show, nothing }: { readonly show: (found: unknown) => unknown; readonly nothing: unknown },
): ScalarFunction {
  return {
    form,
    count: [2, 2],
    compile: (args, call) => {
      const [json, path] = args as readonly [Compiled, Compiled];
      const written = constantOf(path);
      const steps = typeof written === 'string' ? stepsOf(written) : undefined;
      if (steps === undefined)
        throw new SqlProblem(
          placeOf(call, 1),
          "expected a path in quotes, such as '$.a.b', '$.list[0]' or '$[''a b'']', which depends on no column.",
        );
      const { kind } = json.type;
      if (!['string', 'any', 'row', 'array', 'null'].includes(kind))
        throw new SqlProblem(
          placeOf(call, 0),
          `expected a text with JSON in ${call.name}, and found a value of type ${describeType(json.type)}.`,
        );
      const find = (value: unknown): unknown => {
        const found = walk(
          typeof value === 'string' && (kind !== 'any' || steps.length > 0) ? parsed(value) : value,
          steps,
        );
        return found === undefined ? nothing : show(found);
      };
      const text = `${call.name}(${json.text}, ${path.text})`;
      return strictly({ type, text, args: [json], call: find as Strict, nullable: true });
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function walk(value: unknown, steps: readonly Step[]): unknown {
  let found = value;
  for (const step of steps) {
    if (typeof found !== 'object' || found === null || Array.isArray(found) !== (typeof step === 'number'))
      return undefined;
    found = Object.hasOwn(found, step) ? (found as Record<Step, unknown>)[step] : undefined;
  }
  return found;
}

function isScalar(value: unknown): boolean {
  return typeof value !== 'object' && value !== null;
}

/** Functions of JSON, as Flink has them. */
export const jsonFunctions: FunctionTable = {
  JSON_VALUE: atPath("JSON_VALUE(json, '$.a')", stringType, {
    show: (found) => (isScalar(found) ? String(found) : null),
    nothing: null,
  }),
  JSON_QUERY: atPath("JSON_QUERY(json, '$.a')", stringType, {
    show: (found) => (isScalar(found) || found === null ? null : JSON.stringify(found)),
    nothing: null,
  }),
  JSON_EXISTS: atPath("JSON_EXISTS(json, '$.a')", booleanType, { show: () => true, nothing: false }),
};
