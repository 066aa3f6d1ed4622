import type { StandardSchemaV1 } from '@standard-schema/spec';

/**
 * What a schema says of a JSON object, as far as a scanner can use it: a value that fits is accepted by the schema and becomes just the
 * object of these fields, in this order; what else the object has is dropped. What the shape does not say is the schema's business.
 */
export interface ObjectShape {
  readonly kind: 'object';
  readonly fields: readonly FieldShape[];
  /** Of the outermost object: what is computed of the fields, in this order, and added to them. What throws is the schema's business. */
  readonly computed?: readonly ComputedField[];
}

export interface ComputedField {
  readonly name: string;
  readonly evaluate: (record: Readonly<Record<string, unknown>>) => unknown;
}

export interface FieldShape {
  readonly name: string;
  readonly value: ValueShape;
  /** The field may be missing, and is then missing in the result. */
  readonly isOptional: boolean;
  /** `null` stays what it is. */
  readonly isNullable: boolean;
  /** The field may be missing, and is then `null`. */
  readonly isNullWhenMissing?: boolean;
}

export type ValueShape =
  | ObjectShape
  | { readonly kind: 'string' }
  /** `isPlainZero`: -0 becomes 0. */
  | { readonly kind: 'number'; readonly isInteger: boolean; readonly isPlainZero?: boolean }
  | { readonly kind: 'boolean' }
  /** A time as RFC 3339 has it, which becomes milliseconds since 1970. */
  | { readonly kind: 'timestamp' }
  /** One of a few texts, or one of a few numbers. */
  | { readonly kind: 'choice'; readonly values: readonly (string | number)[] }
  /** Any JSON value, which the field's own schema judges. `items`: it is a list of these. */
  | { readonly kind: 'judged'; readonly schema: StandardSchemaV1; readonly items?: Omit<FieldShape, 'name'> };

/** Where a schema of ours says its shape. */
export const shapeSymbol: unique symbol = Symbol('shape');

/** The shape of a schema: of `record`, or of a plain object of Zod; undefined for what has none. */
export function shapeOf(schema: StandardSchemaV1): ObjectShape | undefined {
  const own = (schema as { readonly [shapeSymbol]?: ObjectShape })[shapeSymbol];
  const shape = own ?? zodObjectOf(schema, atOutermost());
  return shape !== undefined && isPlain(shape) ? shape : undefined;
}

/**
 * The shapes of a schema: its one shape or, of a union of plain objects of Zod, one each, in the order in which they are tried. Empty for
 * what has none.
 */
export function shapesOf(schema: StandardSchemaV1): readonly ObjectShape[] {
  const definition = definitionOf(schema);
  const { options } = definition ?? {};
  if (definition?.type !== 'union' || options === undefined || hasChecks(definition)) {
    const shape = shapeOf(schema);
    return shape === undefined ? [] : [shape];
  }
  // One that is chosen by a field, or of which exactly one must fit, is not tried in order.
  if (definition.discriminator !== undefined || definition.inclusive === false) return [];
  const shapes = options.flatMap((option) =>
    // What refuses other fields would fit or not by fields that it does not name.
    definitionOf(option)?.catchall === undefined ? (shapeOf(option) ?? []) : [],
  );
  return shapes.length === options.length ? shapes : [];
}

/** A name that every object has would be found where it is not. */
function isPlain({ fields }: ObjectShape): boolean {
  return fields.every(({ name, value }) => !(name in Object.prototype) && (value.kind !== 'object' || isPlain(value)));
}

/** What Zod 4 keeps of a schema, of which only what is looked at is named. https://zod.dev/packages/core */
export interface ZodDefinition {
  readonly type: string;
  readonly checks?: readonly { readonly _zod: { readonly def: Readonly<Record<string, unknown>> } }[];
  readonly shape?: Readonly<Record<string, StandardSchemaV1>>;
  readonly catchall?: StandardSchemaV1;
  readonly innerType?: StandardSchemaV1;
  readonly element?: StandardSchemaV1;
  readonly in?: StandardSchemaV1;
  readonly out?: StandardSchemaV1;
  readonly values?: readonly unknown[];
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly options?: readonly StandardSchemaV1[];
  readonly discriminator?: string;
  readonly inclusive?: boolean;
  readonly coerce?: boolean;
  readonly check?: string;
  readonly format?: string;
}

function zodOf(
  schema: StandardSchemaV1 | undefined,
): { readonly def?: ZodDefinition; readonly values?: ReadonlySet<unknown> } | undefined {
  const zod = (schema as { readonly _zod?: { readonly def?: ZodDefinition } } | undefined)?._zod;
  return schema?.['~standard'].vendor === 'zod' ? zod : undefined;
}

/** What a schema of Zod says of itself; undefined for others. */
export function definitionOf(schema: StandardSchemaV1 | undefined): ZodDefinition | undefined {
  return zodOf(schema)?.def;
}

function isAllOf(values: readonly unknown[], type: 'string' | 'number'): boolean {
  return values.length > 0 && values.every((value) => typeof value === type);
}

/** Where in a schema of Zod it is looked. */
export interface SchemaPlace {
  readonly above: readonly ZodDefinition[];
  /** Of the whole schema. */
  readonly objects: { count: number };
}

export function atOutermost(): SchemaPlace {
  return { above: [], objects: { count: 0 } };
}

/**
 * Inside an object of a schema; undefined where it is not looked any further. Objects may hold themselves, through a getter, and those that hold
 * each other can be written out in very many ways.
 */
export function insideOf(definition: ZodDefinition, { above, objects }: SchemaPlace): SchemaPlace | undefined {
  if (above.includes(definition) || objects.count >= objectsMax) return undefined;
  objects.count += 1;
  return { above: [...above, definition], objects };
}

/** More would be no line that is read fast, and tell nothing more. */
const objectsMax = 200;

function zodObjectOf(schema: StandardSchemaV1, place: SchemaPlace): ObjectShape | undefined {
  const definition = definitionOf(schema);
  if (definition?.type !== 'object' || hasChecks(definition)) return undefined;
  const inside = insideOf(definition, place);
  if (inside === undefined || definition.shape === undefined) return undefined;
  // What is not named is dropped, or nothing may be.
  if (definition.catchall !== undefined && definitionOf(definition.catchall)?.type !== 'never') return undefined;
  return {
    kind: 'object',
    fields: Object.entries(definition.shape).map(([name, field]) => ({ name, ...zodFieldOf(field, inside) })),
  };
}

function zodFieldOf(schema: StandardSchemaV1, place: SchemaPlace): Omit<FieldShape, 'name'> {
  const definition = definitionOf(schema);
  if (definition?.innerType !== undefined && !hasChecks(definition)) {
    const inner = zodFieldOf(definition.innerType, place);
    // A schema that does something with a missing value judges it itself.
    const isSimple = inner.value.kind !== 'judged' || isPassive(definition.innerType);
    if (definition.type === 'optional' && isSimple) return { ...inner, isOptional: true };
    if (definition.type === 'nullable' && inner.value.kind !== 'judged') return { ...inner, isNullable: true };
  }
  return { value: zodValueOf(schema, definition, place), isOptional: false, isNullable: false };
}

function zodValueOf(schema: StandardSchemaV1, definition: ZodDefinition | undefined, place: SchemaPlace): ValueShape {
  const judged = { kind: 'judged', schema } as const;
  if (definition === undefined || definition.coerce === true) return judged;
  switch (definition.type) {
    case 'object':
      return zodObjectOf(schema, place) ?? judged;
    case 'string':
      return definition.check === undefined && !hasChecks(definition) ? { kind: 'string' } : judged;
    case 'boolean':
      return hasChecks(definition) ? judged : { kind: 'boolean' };
    case 'literal':
    case 'enum': {
      const values = [...(zodOf(schema)?.values ?? [])];
      // NaN and what is infinite have no literal in JSON, by which the others are compared.
      const isPlain = isAllOf(values, 'string') || (isAllOf(values, 'number') && values.every(Number.isFinite));
      return isPlain && !hasChecks(definition) ? { kind: 'choice', values: values as (string | number)[] } : judged;
    }
    case 'number': {
      if (definition.check === undefined && !hasChecks(definition)) return { kind: 'number', isInteger: false };
      const isInteger = isSafeInteger(definition) && definition.checks === undefined;
      const isChecked = definition.check === undefined && definition.checks?.length === 1;
      if (isInteger || (isChecked && isSafeInteger(definition.checks?.[0]?._zod.def)))
        return { kind: 'number', isInteger: true };
      return judged;
    }
    default:
      return judged;
  }
}

function isSafeInteger(definition: object | undefined): boolean {
  const { check, format } = (definition ?? {}) as { readonly check?: unknown; readonly format?: unknown };
  return check === 'number_format' && format === 'safeint';
}

function hasChecks({ checks }: ZodDefinition): boolean {
  return checks !== undefined && checks.length > 0;
}

const passive: ReadonlySet<string> = new Set(
  'string number int boolean bigint date enum literal array tuple record'.split(' '),
);

/** Says of a missing value nothing but that it is missing. */
function isPassive(schema: StandardSchemaV1): boolean {
  const definition = definitionOf(schema);
  return (
    definition !== undefined && passive.has(definition.type) && definition.coerce !== true && !hasChecks(definition)
  );
}
