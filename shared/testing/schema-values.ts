import type { StandardSchemaV1 } from '@standard-schema/spec';
import fc from 'fast-check';
import * as z from 'zod';
import { type FieldShape, shapeOf, type ValueShape } from '#shared/pipeline/shape.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** As much of JSON Schema as a schema of plain types is. */
interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
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
}

export type Fields = Readonly<Record<string, fc.Arbitrary<unknown>>>;

/** Numbers are small and have at most two binary places, so that sums of them are exact wherever they are added. */
const magnitudeMax = 1_000;
const lengthMax = 8;
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
      return {};
    default:
      return { type: value.kind };
  }
}

function jsonOfField({ value, isNullable }: FieldShape): JsonSchema {
  return isNullable ? { anyOf: [jsonOf(value), { type: 'null' }] } : jsonOf(value);
}

function objectOf({ properties = {}, required = [] }: JsonSchema, given: Fields, where: string): fc.Arbitrary<object> {
  const fields = Object.entries(properties).map(([name, field]) => {
    const arbitrary = given[name] ?? fieldOf(field, `${where}.${name}`);
    return [name, arbitrary] as const;
  });
  return fc.record(Object.fromEntries(fields), {
    requiredKeys: fields.map(([name]) => name).filter((name) => required.includes(name) || given[name] !== undefined),
  });
}

function fieldOf(schema: JsonSchema, where: string): fc.Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants !== undefined) return fc.oneof(...variants.map((variant) => fieldOf(variant, where)));
  switch (schema.type) {
    case 'string':
      return textOf(schema, where);
    case 'integer':
      return fc.integer(rangeOf(schema, 1));
    case 'number':
      return fc.integer(rangeOf(schema, 0.25)).map((quarters) => quarters / 4);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(fieldOf(schema.items ?? {}, `${where}[]`), {
        minLength: schema.minItems ?? 0,
        maxLength: schema.maxItems ?? Math.max(itemsMax, schema.minItems ?? 0),
      });
    case 'object':
      return objectOf(schema, {}, where);
    default:
      throw unknown(where, 'is of a type that JSON Schema does not name');
  }
}

function textOf({ format, pattern, minLength = 0, maxLength }: JsonSchema, where: string): fc.Arbitrary<string> {
  if (format === 'date-time')
    return fc
      .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
  if (format === 'uuid') return fc.uuid();
  if (format !== undefined || pattern !== undefined)
    throw unknown(where, `must be a text of the form ${format ?? pattern}`);
  return fc.string({ minLength, maxLength: maxLength ?? Math.max(lengthMax, minLength) });
}

/** In units of `step`. */
function rangeOf(
  { minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema,
  step: number,
): { readonly min: number; readonly max: number } {
  const from = exclusiveMinimum === undefined ? (minimum ?? -magnitudeMax) : exclusiveMinimum + step;
  const to = exclusiveMaximum === undefined ? (maximum ?? magnitudeMax) : exclusiveMaximum - step;
  const min = Math.ceil(Math.max(from, Math.min(-magnitudeMax, to)) / step);
  return { min, max: Math.max(min, Math.floor(Math.min(to, Math.max(magnitudeMax, from)) / step)) };
}

function unknown(where: string, what: string): MillraceError {
  return new MillraceError('INPUT_INVALID', `${where} ${what}; give an arbitrary for this field in the option fields.`);
}
