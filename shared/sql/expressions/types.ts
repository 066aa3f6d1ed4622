import { nearest } from '#shared/pipeline/nearest.ts';
import type { TypeName } from '#shared/sql/parse/ast.ts';
import { SqlProblem } from '#shared/sql/parse/problem.ts';

/**
 * What an expression gives. Values are JavaScript's: numbers for all kinds of numbers; a timestamp, a date and an interval are numbers of
 * milliseconds (a timestamp's and a date's since 1970 in UTC), months are counted, NULL is null. A decimal is the double nearest to it, and every operation on decimals
 * rounds to their scale, so up to 15 digits are exact. `any` is known only when a record is there.
 */
export type SqlType =
  | { readonly kind: Exclude<ScalarKind, 'any'> }
  /** `isJson`: it was declared as JSON, so rows show it as that, whatever it is. */
  | { readonly kind: 'any'; readonly isJson?: true }
  | { readonly kind: 'decimal'; readonly scale: number }
  | { readonly kind: 'row'; readonly fields: readonly Column[] }
  | { readonly kind: 'array'; readonly element: SqlType };
type ScalarKind =
  | 'null'
  | 'boolean'
  | 'integer'
  | 'double'
  | 'string'
  | 'timestamp'
  | 'date'
  | 'interval'
  | 'months'
  | 'any';
export type Kind = SqlType['kind'];

/** A column of a table, or a field of a row. */
export interface Column {
  readonly name: string;
  readonly type: SqlType;
  readonly nullable: boolean;
}

export const nullType: SqlType = { kind: 'null' };
export const booleanType: SqlType = { kind: 'boolean' };
export const integerType: SqlType = { kind: 'integer' };
export const doubleType: SqlType = { kind: 'double' };
export const stringType: SqlType = { kind: 'string' };
export const timestampType: SqlType = { kind: 'timestamp' };
export const dateType: SqlType = { kind: 'date' };
export const intervalType: SqlType = { kind: 'interval' };
export const monthsType: SqlType = { kind: 'months' };
export const anyType: SqlType = { kind: 'any' };
const jsonType: SqlType = { kind: 'any', isJson: true };

/** Beyond so many digits behind the point a double has none to spare, and a decimal becomes a double. */
const scaleMax = 12;

export function decimalType(scale: number): SqlType {
  return scale > scaleMax ? doubleType : { kind: 'decimal', scale };
}

export function scaleOf(type: SqlType): number {
  return type.kind === 'decimal' ? type.scale : 0;
}

export function isNumeric({ kind }: SqlType): boolean {
  return kind === 'integer' || kind === 'decimal' || kind === 'double';
}

const typeNames: Readonly<Record<string, SqlType>> = {
  BOOLEAN: booleanType,
  BOOL: booleanType,
  TINYINT: integerType,
  SMALLINT: integerType,
  INT: integerType,
  INTEGER: integerType,
  BIGINT: integerType,
  INT4: integerType,
  INT8: integerType,
  FLOAT: doubleType,
  REAL: doubleType,
  DOUBLE: doubleType,
  FLOAT8: doubleType,
  STRING: stringType,
  VARCHAR: stringType,
  CHAR: stringType,
  CHARACTER: stringType,
  TEXT: stringType,
  TIMESTAMP: timestampType,
  TIMESTAMP_LTZ: timestampType,
  TIMESTAMPTZ: timestampType,
  DATETIME: timestampType,
  DATE: dateType,
  JSON: jsonType,
  ANY: anyType,
};

/** The type that a text names. */
export function typeOfName(name: TypeName): SqlType {
  if (name.fields !== undefined)
    return {
      kind: 'row',
      fields: name.fields.map((field) => ({
        name: field.name.text,
        type: typeOfName(field.type),
        nullable: !field.type.notNull,
      })),
    };
  if (name.element !== undefined) return { kind: 'array', element: typeOfName(name.element) };
  if (name.name === 'DECIMAL' || name.name === 'NUMERIC' || name.name === 'DEC') {
    const scale = name.parameters[1] ?? (name.parameters.length === 0 ? 3 : 0);
    if (scale > scaleMax)
      throw new SqlProblem(
        name.at,
        `a decimal has at most ${scaleMax} digits behind the point here. Use DOUBLE, or a text where each digit counts.`,
      );
    return { kind: 'decimal', scale };
  }
  const type = typeNames[name.name];
  if (type !== undefined) return type;
  const meant = nearest(name.name, [...Object.keys(typeNames), 'DECIMAL', 'ROW', 'ARRAY']);
  throw new SqlProblem(
    name.at,
    `there is no type ${name.name}.${meant === undefined ? '' : ` Did you mean ${meant}?`} There are BOOLEAN, INT, BIGINT, DECIMAL(p, s), DOUBLE, STRING, DATE, TIMESTAMP, JSON, ROW<…> and ARRAY<…>.`,
  );
}

/** A type as it is written. */
export function describeType(type: SqlType): string {
  switch (type.kind) {
    case 'integer':
      return 'BIGINT';
    case 'interval':
    case 'months':
      return 'INTERVAL';
    case 'decimal':
      return `DECIMAL(38, ${type.scale})`;
    case 'row':
      return `ROW<${type.fields.map((field) => `${field.name} ${describeType(field.type)}`).join(', ')}>`;
    case 'array':
      return `ARRAY<${describeType(type.element)}>`;
    case 'any':
      return 'JSON';
    default:
      return type.kind.toUpperCase();
  }
}

/** The type that holds the values of both, as branches of CASE need it; undefined when there is none. */
export function commonType(a: SqlType, b: SqlType): SqlType | undefined {
  if (a.kind === 'null') return b;
  if (b.kind === 'null') return a;
  if (a.kind === 'any' || b.kind === 'any') return a === b ? a : anyType;
  if (isNumeric(a) && isNumeric(b)) {
    if (a.kind === 'double' || b.kind === 'double') return doubleType;
    if (a.kind === 'integer' && b.kind === 'integer') return integerType;
    return decimalType(Math.max(scaleOf(a), scaleOf(b)));
  }
  if (isDay(a) && isDay(b)) return a.kind === b.kind ? a : timestampType;
  if (a.kind === 'row' || a.kind === 'array') return describeType(a) === describeType(b) ? a : undefined;
  return a.kind === b.kind ? a : undefined;
}

function isDay({ kind }: SqlType): boolean {
  return kind === 'timestamp' || kind === 'date';
}

/** Whether values of both can be compared. */
export function isComparable(a: SqlType, b: SqlType): boolean {
  return (
    commonType(a, b) !== undefined && a.kind !== 'row' && b.kind !== 'row' && a.kind !== 'array' && b.kind !== 'array'
  );
}
