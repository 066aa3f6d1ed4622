import type { StandardSchemaV1 } from '@standard-schema/spec';
import {
  atOutermost,
  definitionOf,
  insideOf,
  type SchemaPlace,
  shapeOf,
  type ValueShape,
} from '#shared/pipeline/shape.ts';
import type { Stream, StreamNode } from '#shared/pipeline/stream.ts';
import type { Values } from '#shared/sql/expressions/compiled.ts';
import {
  anyType,
  booleanType,
  type Column,
  doubleType,
  integerType,
  type SqlType,
  stringType,
  timestampType,
} from '#shared/sql/expressions/types.ts';
import { plainColumn, type Relation } from '#shared/sql/relations/relation.ts';

/** A stream of TypeScript as a table. Where its schema tells the columns they have types; behind a `map` any name may be one. */
export function streamRelation(name: string, source: Stream<never>, allowedLatenessMs: number): Relation {
  const known = knownColumns(source.node);
  const time = known === undefined ? undefined : timeColumnOf(source.node, known);
  const identity = `stream ${name}`;
  return {
    columns: (known ?? []).map((column) =>
      plainColumn({ ...column, ...(column.name === time ? { role: 'time' as const } : {}) }),
    ),
    isOpen: known === undefined,
    identity,
    baseIdentity: identity,
    allowedLatenessMs,
    stream: () => source as unknown as Stream<Values>,
  };
}

/** What a filter lets pass is what came in. */
function sourceOf(node: StreamNode): Extract<StreamNode, { op: 'source' }> | undefined {
  if (node.op === 'source') return node;
  return node.op === 'filter' ? sourceOf(node.input) : undefined;
}

function knownColumns(node: StreamNode): readonly Column[] | undefined {
  const source = sourceOf(node);
  if (source === undefined) return undefined;
  const { type } = typeOfRecords(source.schema);
  return type.kind === 'row' ? type.fields : undefined;
}

/** Of a `record` its own word, otherwise what Zod says. */
function typeOfRecords(schema: StandardSchemaV1): { readonly type: SqlType } {
  const shape = schema['~standard'].vendor === 'zod' ? undefined : shapeOf(schema);
  return shape === undefined ? typeOfSchema(schema, atOutermost()) : { type: typeOfShape(shape) };
}

function typeOfShape(shape: ValueShape): SqlType {
  switch (shape.kind) {
    case 'object':
      return {
        kind: 'row',
        fields: shape.fields.map(({ name, value, isNullable, isOptional }) => ({
          name,
          type: typeOfShape(value),
          nullable: isNullable || isOptional,
        })),
      };
    case 'string':
      return stringType;
    case 'number':
      return shape.isInteger ? integerType : doubleType;
    case 'boolean':
      return booleanType;
    case 'timestamp':
      return timestampType;
    case 'choice':
      return shape.values.every((value) => typeof value === 'string') ? stringType : anyType;
    case 'judged':
      return shape.items === undefined ? anyType : { kind: 'array', element: typeOfShape(shape.items.value) };
  }
}

/** The type of what a schema gives; any where it is none of the plain ones. */
function typeOfSchema(
  schema: StandardSchemaV1 | undefined,
  place: SchemaPlace,
): { readonly type: SqlType; readonly nullable: boolean } {
  const definition = definitionOf(schema);
  const of = (type: SqlType, nullable = false): ReturnType<typeof typeOfSchema> => ({ type, nullable });
  switch (definition?.type) {
    case 'object': {
      const inside = insideOf(definition, place);
      if (inside === undefined) return of(anyType);
      const fields = Object.entries(definition.shape ?? {});
      return of({ kind: 'row', fields: fields.map(([name, field]) => ({ name, ...typeOfSchema(field, inside) })) });
    }
    case 'string':
      return of(stringType);
    case 'boolean':
      return of(booleanType);
    case 'date':
      return of(timestampType);
    case 'number': {
      const formats = [definition.format, ...(definition.checks ?? []).map((check) => check._zod.def['format'])];
      return of(formats.some((format) => String(format).includes('int')) ? integerType : doubleType);
    }
    case 'enum':
      return of(
        Object.values(definition.entries ?? {}).every((value) => typeof value === 'string') ? stringType : anyType,
      );
    case 'literal': {
      const values = definition.values ?? [];
      if (values.every((value) => typeof value === 'string')) return of(stringType);
      return of(values.every(Number.isInteger) ? integerType : anyType);
    }
    case 'nullable':
    case 'optional':
      return { ...typeOfSchema(definition.innerType, place), nullable: true };
    case 'readonly':
    case 'default':
    case 'catch':
      return typeOfSchema(definition.innerType, place);
    case 'array':
      return of({ kind: 'array', element: typeOfSchema(definition.element, place).type });
    case 'pipe':
      return typeOfSchema(definition.out, place);
    default:
      return of(anyType, true);
  }
}

const probedMs = 1_000_000_000_000;
const probedStepMs = 1_234_567;

/** The column that a stream's `timestamp` reads: the one whose value it gives back when each column has a time of its own. */
function timeColumnOf(node: StreamNode, columns: readonly Column[]): string | undefined {
  const source = sourceOf(node);
  if (source === undefined) return undefined;
  const times = columns.map((column, index) => ({ column, timeMs: probedMs + index * probedStepMs }));
  const probe = Object.fromEntries(times.map(({ column: { name, type }, timeMs }) => [name, valueAt(type, timeMs)]));
  try {
    const found = Number(source.timestamp(probe));
    return times.find(({ timeMs }) => timeMs === found || timeMs / 1_000 === found || timeMs * 1_000 === found)?.column
      .name;
  } catch {
    // It needs more than one column that is a time.
    return undefined;
  }
}

function valueAt({ kind }: SqlType, timeMs: number): unknown {
  switch (kind) {
    case 'string':
      return new Date(timeMs).toISOString();
    case 'timestamp':
      return new Date(timeMs);
    case 'integer':
    case 'double':
    case 'any':
      return timeMs;
    default:
      return undefined;
  }
}
