import type { Call } from '#shared/sql/parse/ast.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';
import { type Compiled, constantOf, strictly } from '../compiled.ts';
import { alike } from '../operators.ts';
import { anyType, booleanType, describeType, integerType, isNumeric, type SqlType } from '../types.ts';
import { type FunctionTable, placeOf, type ScalarFunction } from './signature.ts';

/** The element of a list, counted from 1, or from the end below 0; or the field of a row. NULL when there is none. */
const elementAt: ScalarFunction = {
  form: 'ELEMENT_AT(list, 1)',
  count: [2, 2],
  compile: (args, call) => {
    const [of, index] = args as readonly [Compiled, Compiled];
    const text = `${call.name}(${of.text}, ${index.text})`;
    const isField = index.type.kind === 'string';
    if (!isField && !isNumeric(index.type) && index.type.kind !== 'any')
      throw new SqlProblem(
        placeOf(call, 1),
        'expected the number of an element, counted from 1, or the name of a field.',
      );
    return strictly({ type: partType(of, index, call), text, args: [of, index], call: partOf, nullable: true });
  },
};

function partOf(of: unknown, index: unknown): unknown {
  if (typeof index === 'number' && Array.isArray(of))
    return shown(of.at(index > 0 ? index - 1 : index === 0 ? of.length : index));
  const isRow = typeof of === 'object' && of !== null && !Array.isArray(of);
  return isRow && typeof index === 'string' && Object.hasOwn(of, index)
    ? shown((of as Record<string, unknown>)[index])
    : null;
}

function shown(value: unknown): unknown {
  return value instanceof Date ? Number(value) : (value ?? null);
}

function partType({ type }: Compiled, index: Compiled, call: Call): SqlType {
  if (type.kind === 'any' || type.kind === 'null') return anyType;
  if (type.kind === 'array' && index.type.kind !== 'string') return type.element;
  const name = constantOf(index);
  if (type.kind === 'row' && typeof name === 'string') {
    const field = type.fields.find((one) => one.name === name);
    if (field !== undefined) return field.type;
    throw new SqlProblem(
      placeOf(call, 1),
      `there is no field ${name}. There are ${type.fields.map((one) => one.name).join(', ')}.`,
    );
  }
  throw new SqlProblem(
    placeOf(call, 0),
    `expected a list, whose elements count from 1, and found a value of type ${describeType(type)}.`,
  );
}

const cardinality: ScalarFunction = {
  form: 'CARDINALITY(list)',
  count: [1, 1],
  compile: (args, call) => {
    const [list] = args as readonly [Compiled];
    elementType(list, call);
    const count = (value: unknown): number | null => (Array.isArray(value) ? value.length : null);
    return strictly({
      type: integerType,
      text: `${call.name}(${list.text})`,
      args: [list],
      call: count,
      nullable: true,
    });
  },
};

const contains: ScalarFunction = {
  form: 'ARRAY_CONTAINS(list, x)',
  count: [2, 2],
  compile: (args, call) => {
    const [list, value] = args as readonly [Compiled, Compiled];
    const element: Compiled = { ...list, type: elementType(list, call), isConstant: false };
    const [own, wanted] = alike(element, value, placeOf(call, 1));
    if (own !== element)
      throw new SqlProblem(
        placeOf(call, 1),
        `the elements are of type ${describeType(element.type)}. Cast what is looked for: CAST(x AS ${describeType(element.type)}).`,
      );
    return strictly({
      type: booleanType,
      text: `${call.name}(${list.text}, ${wanted.text})`,
      args: [list, wanted],
      call: (elements: unknown, one: unknown) =>
        Array.isArray(elements) ? elements.some((candidate) => shown(candidate) === one) : null,
      nullable: true,
    });
  },
};

function elementType({ type }: Compiled, call: Call): SqlType {
  if (type.kind === 'array') return type.element;
  if (type.kind === 'any' || type.kind === 'null') return anyType;
  throw new SqlProblem(
    placeOf(call, 0),
    `expected a list in ${call.name}, and found a value of type ${describeType(type)}.`,
  );
}

/** Functions of lists, and of what is in JSON. */
export const listFunctions: FunctionTable = {
  ELEMENT_AT: elementAt,
  CARDINALITY: cardinality,
  ARRAY_CONTAINS: contains,
};
