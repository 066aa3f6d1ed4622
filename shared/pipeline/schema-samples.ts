import type { StandardSchemaV1 } from '@standard-schema/spec';
import { definitionOf, shapeSymbol, type ValueShape } from './shape.ts';

/**
 * A few values such as a schema gives, made up from what it says of itself: of `record` and of Zod its fields, of any Standard Schema what it
 * makes of plain values. A field of which nothing is known is not there. Empty where nothing is known at all.
 */
export function samplesOfSchema(schema: StandardSchemaV1): readonly unknown[] {
  return samplesIn(schema, []);
}

/** So many of each: those of different texts and numbers, so that what depends on them differs. */
const samplesMax = 3;

/** Texts that many a check lets pass, and numbers. */
const plainValues: readonly unknown[] = [
  ...['sample', '/a/b?c=1', '2026-11-21T10:00:00.000Z', '2026-11-21', '192.0.2.1', 'a@example.com', '1', 'AB', ''],
  ...['https://example.com/a', 'cbb0f1d8-6f0b-4d1e-8d5e-3a4f3c8a5f10'],
  ...[1, 2.5, 30, 200, 1_763_719_200_000, 0.5],
  ...[true, false, [], {}],
];

function samplesIn(schema: StandardSchemaV1, above: readonly unknown[]): readonly unknown[] {
  const own = (schema as { readonly [shapeSymbol]?: ValueShape })[shapeSymbol];
  if (own !== undefined) return samplesOfShape(own, above);
  const definition = definitionOf(schema);
  // Objects may hold themselves, through a getter.
  if (above.length > depthMax) return [];
  const inside = [...above, schema];
  switch (definition?.type) {
    case 'object':
      return objectsOf(
        Object.entries(definition.shape ?? {}).map(([name, field]) => [name, samplesIn(field, inside)] as const),
      );
    case 'union':
      return (definition.options ?? []).flatMap((option) => samplesIn(option, inside)).slice(0, 2 * samplesMax);
    case 'array':
      return listsOf(definition.element === undefined ? [] : samplesIn(definition.element, inside));
    case 'optional':
    case 'nullable':
    case 'readonly':
      return definition.innerType === undefined ? [] : samplesIn(definition.innerType, inside);
    case 'literal':
    case 'enum':
      return accepted(schema, definition.values ?? Object.values(definition.entries ?? {}));
    default:
      return accepted(schema, [
        ...[definition?.in, definition?.innerType].flatMap((inner) =>
          inner === undefined ? [] : samplesIn(inner, inside),
        ),
        ...plainValues,
      ]);
  }
}

const depthMax = 8;

/** What the schema makes of those values that it accepts. */
function accepted(schema: StandardSchemaV1, values: readonly unknown[]): readonly unknown[] {
  const samples: unknown[] = [];
  for (const value of values) {
    try {
      const result = schema['~standard'].validate(value);
      if ('value' in result && result.issues === undefined) samples.push(result.value);
    } catch {
      // A check of the user's own that expects another value.
    }
    if (samples.length === samplesMax) break;
  }
  return samples;
}

function samplesOfShape(shape: ValueShape, above: readonly unknown[]): readonly unknown[] {
  switch (shape.kind) {
    case 'object':
      return objectsOf(shape.fields.map(({ name, value }) => [name, samplesOfShape(value, above)] as const));
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
        ? samplesIn(shape.schema, above)
        : listsOf(samplesOfShape(shape.items.value, above));
  }
}

function listsOf(items: readonly unknown[]): readonly unknown[] {
  return items.length === 0 ? [] : [items, items.slice(0, 1)];
}

function objectsOf(fields: readonly (readonly [name: string, samples: readonly unknown[]])[]): readonly unknown[] {
  const known = fields.filter(([, samples]) => samples.length > 0);
  return Array.from({ length: samplesMax }, (_, at) =>
    Object.fromEntries(known.map(([name, samples]) => [name, samples[at % samples.length]])),
  );
}
