import type { StandardSchemaV1 } from '@standard-schema/spec';
import { atOutermost, definitionOf, insideOf, type SchemaPlace, shapeSymbol, type ValueShape } from './shape.ts';

/**
 * A few values such as a schema gives, made up from what it says of itself: of `record` and of Zod its fields, of any Standard Schema what it
 * makes of plain values. A field of which nothing is known is not there. Empty where nothing is known at all.
 */
export function samplesOfSchema(schema: StandardSchemaV1): readonly unknown[] {
  return samplesIn(schema, atOutermost());
}

/** Of a field: different ones, so that what depends on them differs. */
const samplesMax = 3;
/** Of an object that has all of its fields: as many as give each of two samples of a field beside each of three of another. */
const objectSamplesMax = 6;

/** Texts that many a check lets pass, and numbers. */
const plainValues: readonly unknown[] = [
  ...['sample', '/a/b?c=1', '2026-11-21T10:00:00.000Z', '2026-11-21', '192.0.2.1', 'a@example.com', '1', 'AB', ''],
  ...['https://example.com/a', 'cbb0f1d8-6f0b-4d1e-8d5e-3a4f3c8a5f10'],
  ...[1, 2.5, 30, 200, 1_763_719_200_000, 0.5],
  ...[true, false, [], {}],
];

function samplesIn(schema: StandardSchemaV1, place: SchemaPlace): readonly unknown[] {
  const own = (schema as { readonly [shapeSymbol]?: ValueShape })[shapeSymbol];
  if (own !== undefined) return samplesOfShape(own, place);
  const definition = definitionOf(schema);
  switch (definition?.type) {
    case 'object': {
      const inside = insideOf(definition, place);
      if (inside === undefined) return [];
      return objectsOf(
        Object.entries(definition.shape ?? {}).map(([name, field]) => ({
          name,
          samples: samplesIn(field, inside),
          ...missingOf(field),
        })),
      );
    }
    case 'union':
      return inTurn((definition.options ?? []).map((option) => samplesIn(option, place)));
    case 'array':
      return listsOf(definition.element === undefined ? [] : samplesIn(definition.element, place));
    case 'optional':
    case 'nullable':
    case 'readonly':
      return definition.innerType === undefined ? [] : samplesIn(definition.innerType, place);
    case 'literal':
    case 'enum':
      return accepted(schema, definition.values ?? Object.values(definition.entries ?? {}));
    default:
      return accepted(schema, [
        ...[definition?.in, definition?.innerType].flatMap((inner) =>
          inner === undefined ? [] : samplesIn(inner, place),
        ),
        ...plainValues,
      ]);
  }
}

/** What a field of Zod is that has no value, if it may have none. */
function missingOf(schema: StandardSchemaV1): { readonly missing?: null | undefined } {
  const definition = definitionOf(schema);
  if (definition?.type === 'nullable') return { missing: null };
  if (definition?.type === 'optional') return { missing: undefined };
  return {};
}

/** What the schema makes of those values that it accepts. Where that is of several types one of each: what takes anything tells nothing. */
function accepted(schema: StandardSchemaV1, values: readonly unknown[]): readonly unknown[] {
  const byType = new Map<string, unknown[]>();
  const add = (value: unknown): void => {
    byType.set(typeof value, [...(byType.get(typeof value) ?? []), value]);
  };
  for (const value of values) {
    try {
      const result = schema['~standard'].validate(value);
      if ('value' in result && result.issues === undefined) add(result.value);
    } catch {
      // A check of the user's own that expects another value.
    }
  }
  const [alike = [], ...others] = byType.values();
  return [...(others.length === 0 ? alike : [alike, ...others].map(([first]) => first))].slice(0, samplesMax);
}

function samplesOfShape(shape: ValueShape, place: SchemaPlace): readonly unknown[] {
  switch (shape.kind) {
    case 'object':
      return objectsOf(
        shape.fields.map(({ name, value, isOptional, isNullable, isNullWhenMissing }) => ({
          name,
          samples: samplesOfShape(value, place),
          ...(isNullable || isNullWhenMissing === true ? { missing: null } : isOptional ? { missing: undefined } : {}),
        })),
      );
    case 'string':
      return plainValues.slice(0, samplesMax);
    case 'number':
      return shape.isInteger ? [1, 30, 200] : [1, 2.5, 30];
    case 'boolean':
      return [true, false];
    case 'timestamp':
      return [1_763_719_200_000, 1_763_719_260_001];
    case 'choice':
      return shape.values.slice(0, samplesMax);
    case 'judged':
      return shape.items === undefined
        ? samplesIn(shape.schema, place)
        : listsOf(samplesOfShape(shape.items.value, place));
  }
}

/** The first ones of all lists, then the second ones. */
function inTurn(lists: readonly (readonly unknown[])[]): readonly unknown[] {
  return Array.from({ length: objectSamplesMax }, (_, at) => lists.flatMap((list) => list.slice(at, at + 1)))
    .flat()
    .slice(0, objectSamplesMax);
}

function listsOf(items: readonly unknown[]): readonly unknown[] {
  return items.length === 0 ? [] : [items, items.slice(0, 1)];
}

interface FieldSamples {
  readonly name: string;
  readonly samples: readonly unknown[];
  /** What it is where it has no value; not there where it always has one. */
  readonly missing?: null | undefined;
}

/** The second one has no field that may be missing: what stands in its place may be of another type. */
function objectsOf(fields: readonly FieldSamples[]): readonly unknown[] {
  const known = fields.filter(({ samples }) => samples.length > 0);
  const whole = Array.from({ length: objectSamplesMax }, (_, at) =>
    Object.fromEntries(known.map(({ name, samples }) => [name, samples[at % samples.length]])),
  );
  if (!known.some((field) => 'missing' in field)) return whole;
  const bare = {
    ...whole[0],
    ...Object.fromEntries(known.flatMap((one) => ('missing' in one ? [[one.name, one.missing]] : []))),
  };
  return [whole[0], bare, ...whole.slice(1)];
}
