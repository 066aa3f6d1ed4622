import type { StandardSchemaV1 } from '@standard-schema/spec';
import fc from 'fast-check';
import * as z from 'zod';
import { type FieldShape, shapeOf, type ValueShape } from '#shared/pipeline/shape.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** As much of JSON Schema as a schema of plain types is. */
interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: JsonSchema;
  /** What is there besides; false is nothing. */
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema | boolean;
  readonly prefixItems?: readonly JsonSchema[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
}

export type Fields = Readonly<Record<string, fc.Arbitrary<unknown>>>;

/** Numbers are small and have at most two binary places, so that sums of them are exact wherever they are added. */
const magnitudeMax = 1_000;
const lengthMax = 8;
const matchLengthMax = 64;
const itemsMax = 3;

/**
 * Values that a schema of zod's plain types or of `record` accepts, as they are sent. `given` has the fields that are drawn in another way, by name; a schema
 * of another kind needs all of them there. `where` names the schema in errors.
 */
export function valuesOf(schema: StandardSchemaV1, given: Fields, where: string): fc.Arbitrary<object> {
  if (variantsOf(schema) === undefined) {
    if (Object.keys(given).length > 0) return fc.record(given);
    throw new MillraceError(
      'INPUT_INVALID',
      `${where}: values cannot be drawn for a schema of ${schema['~standard'].vendor}; give an arbitrary for each field in the option fields.`,
    );
  }
  const variants = (variantsOf(schema) ?? []).map((variant) => objectOf(variant, given, where));
  return variants.length === 1 ? (variants[0] as fc.Arbitrary<object>) : fc.oneof(...variants);
}

/** Whether a field is a number; a text otherwise. Of a schema that does not say it all are. */
export function takesNumber(schema: StandardSchemaV1, field: string): boolean {
  const types = variantsOf(schema)?.flatMap(({ properties }) => properties?.[field]?.type ?? []);
  return types === undefined || types.includes('number') || types.includes('integer');
}

/**
 * So many different values of a field, or as many as there are, the same each time: 0, 1, 2, … of a number, `user-0`, `user-1`, … of a text, and
 * of what takes none of these what would be drawn of it.
 */
export function differentValuesOf(
  schema: StandardSchemaV1,
  { field, count, where }: { readonly field: string; readonly count: number; readonly where: string },
): readonly unknown[] {
  const plain = { numbers: (index: number) => index, texts: (index: number) => `${field}-${index}` };
  const few = (of: (index: number) => unknown) => Array.from({ length: count }, (_, index) => of(index));
  const found = variantsOf(schema)?.flatMap(({ properties }) => properties?.[field] ?? []);
  const [first] = found ?? [];
  if (found === undefined || first === undefined) return few(takesNumber(schema, field) ? plain.numbers : plain.texts);
  const [one] = [...alternativesOf(first)].filter(({ type }) => type !== 'null');
  if (one?.type === 'string' && isAnyText(one, count, field)) return few(plain.texts);
  if ((one?.type === 'integer' || one?.type === 'number') && isAnyNumber(one, count)) return few(plain.numbers);
  const sampled = fc.sample(fieldOf(one ?? first, `${where}.${field}`), { seed: 1, numRuns: samplesPerValue * count });
  return [...new Map(sampled.map((value) => [JSON.stringify(value), value])).values()].slice(0, count);
}

/** Of few values, such as those of an enum, all are drawn by then. */
const samplesPerValue = 20;

function isAnyText(
  { enum: values, const: only, format, pattern, minLength = 0, maxLength = Infinity }: JsonSchema,
  count: number,
  field: string,
): boolean {
  const isFree = [values, only, format, pattern].every((one) => one === undefined);
  return isFree && field.length >= minLength - 2 && field.length + 1 + String(count).length <= maxLength;
}

function isAnyNumber({ enum: values, const: only, multipleOf, ...range }: JsonSchema, count: number): boolean {
  if (values !== undefined || only !== undefined || multipleOf !== undefined) return false;
  const { min, max } = rangeOf(range, 1);
  return min <= 0 && max >= count - 1;
}

/** What a value may be, each in one way. */
function alternativesOf(schema: JsonSchema): readonly JsonSchema[] {
  const { anyOf, oneOf, type } = schema;
  const variants = anyOf ?? oneOf ?? (Array.isArray(type) ? type.map((one) => ({ ...schema, type: one })) : undefined);
  return variants === undefined ? [schema] : variants.flatMap(alternativesOf);
}

/** The objects that a schema accepts: of `record`, or of zod; undefined of others. */
function variantsOf(schema: StandardSchemaV1): readonly JsonSchema[] | undefined {
  if (schema['~standard'].vendor === 'zod') {
    const json = z.toJSONSchema(schema as unknown as z.ZodType, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
    return json.anyOf ?? json.oneOf ?? [json];
  }
  const shape = shapeOf(schema);
  return shape && [jsonOf(shape)];
}

function jsonOf(value: ValueShape): JsonSchema {
  switch (value.kind) {
    case 'object':
      return {
        type: 'object',
        properties: Object.fromEntries(value.fields.map((field) => [field.name, jsonOfField(field)])),
        required: value.fields.flatMap(({ name, isOptional }) => (isOptional ? [] : [name])),
      };
    case 'number':
      return { type: value.isInteger ? 'integer' : 'number' };
    case 'timestamp':
      return { type: 'string', format: 'date-time' };
    case 'choice':
      return { enum: value.values };
    case 'judged':
      return value.items === undefined ? {} : { type: 'array', items: jsonOfField(value.items) };
    default:
      return { type: value.kind };
  }
}

function jsonOfField({ value, isNullable }: Omit<FieldShape, 'name'>): JsonSchema {
  return isNullable ? { anyOf: [jsonOf(value), { type: 'null' }] } : jsonOf(value);
}

function objectOf(schema: JsonSchema, given: Fields, where: string): fc.Arbitrary<object> {
  const { properties = {}, required = [], additionalProperties: others } = schema;
  // Those of a record over an enum are named here only.
  const named = Object.fromEntries(required.map((name) => [name, typeof others === 'object' ? others : {}]));
  const fields = Object.entries({ ...named, ...properties }).map(([name, field]) => {
    const arbitrary = given[name] ?? fieldOf(field, `${where}.${name}`);
    return [name, arbitrary] as const;
  });
  if (fields.length === 0 && typeof others === 'object')
    return fc.dictionary(textOf(schema.propertyNames ?? {}, `${where}, in its names,`), fieldOf(others, `${where}[]`), {
      maxKeys: itemsMax,
      noNullPrototype: true,
    });
  return fc.record(Object.fromEntries(fields), {
    requiredKeys: fields.map(([name]) => name).filter((name) => required.includes(name) || given[name] !== undefined),
  });
}

function fieldOf(schema: JsonSchema, where: string): fc.Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const variants = alternativesOf(schema);
  if (variants.length > 1) return fc.oneof(...variants.map((variant) => fieldOf(variant, where)));
  const [one = schema] = variants;
  switch (one.type) {
    case 'string':
      return textOf(one, where);
    case 'integer':
    case 'number':
      return numberOf(one);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return listOf(one, where);
    case 'object':
      return objectOf(one, {}, where);
    default:
      throw unknown(where, 'may be any value');
  }
}

function listOf(
  { items = {}, prefixItems = [], minItems = 0, maxItems }: JsonSchema,
  where: string,
): fc.Arbitrary<unknown> {
  const first = prefixItems.map((item, index) => fieldOf(item, `${where}[${index}]`));
  const rest =
    typeof items === 'boolean'
      ? fc.constant([])
      : fc.array(fieldOf(items, `${where}[]`), {
          minLength: Math.max(0, minItems - first.length),
          maxLength: (maxItems ?? Math.max(first.length + itemsMax, minItems)) - first.length,
        });
  if (first.length === 0) return rest;
  return fc.tuple(fc.tuple(...first), rest).map(([begin, end]) => [...begin, ...end]);
}

/** Of a multiple, so many units that few digits are behind the point. */
function numberOf(schema: JsonSchema): fc.Arbitrary<number> {
  const step = schema.multipleOf ?? (schema.type === 'integer' ? 1 : 0.25);
  const perOne = Math.round(1 / step);
  return fc.integer(rangeOf(schema, step)).map((units) => (perOne * step === 1 ? units / perOne : units * step));
}

function textOf({ format, pattern, minLength = 0, maxLength }: JsonSchema, where: string): fc.Arbitrary<string> {
  if (format === 'date-time')
    return fc
      .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
  if (format === 'uuid') return fc.uuid();
  if (format === undefined && pattern === undefined)
    return fc.string({ minLength, maxLength: maxLength ?? Math.max(lengthMax, minLength) });
  const matching = pattern === undefined ? undefined : textMatching(pattern);
  if (matching === undefined) throw unknown(where, `must be a text of the form ${format ?? pattern}`);
  if (minLength === 0 && maxLength === undefined) return matching;
  return matching.filter(({ length }) => length >= minLength && length <= (maxLength ?? Infinity));
}

/** Undefined where nobody knows how to draw it, such as for one that looks ahead. */
function textMatching(pattern: string): fc.Arbitrary<string> | undefined {
  try {
    return fc.stringMatching(new RegExp(pattern, 'u'), { maxLength: matchLengthMax });
  } catch {
    return undefined;
  }
}

/** In units of `step`. */
function rangeOf(
  { minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema,
  step: number,
): { readonly min: number; readonly max: number } {
  const from = exclusiveMinimum === undefined ? (minimum ?? -Infinity) : exclusiveMinimum + step;
  const to = exclusiveMaximum === undefined ? (maximum ?? Infinity) : exclusiveMaximum - step;
  const least = Math.max(from, Math.min(-magnitudeMax, to - magnitudeMax));
  const most = Math.min(to, Math.max(magnitudeMax, from + magnitudeMax));
  const min = Math.ceil(least / step);
  return { min, max: Math.max(min, Math.floor(most / step)) };
}

function unknown(where: string, what: string): MillraceError {
  return new MillraceError('INPUT_INVALID', `${where} ${what}; give an arbitrary for this field in the option fields.`);
}
