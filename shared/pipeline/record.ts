import type { StandardSchemaV1 } from '@standard-schema/spec';
import { isoTimeAt } from './decoders/line-text.ts';
import { given, invalid, shown } from './refuse.ts';
import { type FieldShape, type ObjectShape, shapeSymbol, type ValueShape } from './shape.ts';

type Issue = StandardSchemaV1.Issue;
type Path = readonly PropertyKey[];

/** One field of a `record`. `In` is what it accepts, `Out` what it becomes. */
export interface Field<In, Out = In, Optional extends boolean = boolean> {
  readonly shape: Omit<FieldShape, 'name'>;
  readonly isOptional: Optional;
  /** What the value becomes; what is wrong with it goes to `issues`. */
  readonly read: (value: unknown, path: Path, issues: Issue[]) => Out | undefined;
  readonly __in?: In;
}

// biome-ignore lint/suspicious/noExplicitAny: fields of all types.
type Fields = Readonly<Record<string, Field<any, any>>>;
type InOf<F> = F extends Field<infer In, unknown> ? In : never;
type OutOf<F> = F extends { readonly read: (value: unknown, path: Path, issues: Issue[]) => infer Out }
  ? Exclude<Out, undefined>
  : never;
type OptionalNames<F extends Fields> = { [N in keyof F]: F[N]['isOptional'] extends true ? N : never }[keyof F];
type Plain<T> = { [P in keyof T]: T[P] } & {};
export type RecordIn<F extends Fields> = Plain<
  { readonly [N in Exclude<keyof F, OptionalNames<F>>]: InOf<F[N]> } & { readonly [N in OptionalNames<F>]?: InOf<F[N]> }
>;
export type RecordOut<F extends Fields> = Plain<
  { readonly [N in Exclude<keyof F, OptionalNames<F>>]: OutOf<F[N]> } & {
    readonly [N in OptionalNames<F>]?: OutOf<F[N]>;
  }
>;

export interface RecordSchema<F extends Fields>
  extends StandardSchemaV1<RecordIn<F>, RecordOut<F>>,
    Field<RecordIn<F>, RecordOut<F>, false> {
  readonly [shapeSymbol]: ObjectShape;
}

/**
 * A schema of an object's fields, without a library; what else an object has is dropped. From JSON its records are read by a scanner that is
 * compiled for it. It is a Standard Schema, and a field of other records.
 *
 *     const request = record({ ip: string(), bytes: integer(), at: timestamp(), agent: optional(string()) });
 */
export function record<const F extends Fields>(fields: F): RecordSchema<F> {
  const entries = Object.entries(given('record', 'fields', fields, 'them by name, such as { ip: string() }'));
  for (const [name, field] of entries) given('record', `field ${name}`, field?.shape, 'one, such as string()');
  const shape: ObjectShape = {
    kind: 'object',
    fields: entries.map(([name, { shape: field }]) => ({ name, ...field })),
  };
  const read = (value: unknown, path: Path, issues: Issue[]): RecordOut<F> | undefined => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      issues.push(wrong(path, 'an object', value));
      return undefined;
    }
    const result: Record<string, unknown> = {};
    for (const [name, field] of entries) {
      const isThere = Object.hasOwn(value, name);
      if (!isThere && field.isOptional) continue;
      const held = isThere ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
      if (held === undefined && field.isOptional) continue;
      result[name] = field.read(held, [...path, name], issues);
    }
    return result as RecordOut<F>;
  };
  return {
    '~standard': {
      version: 1,
      vendor: 'millrace',
      validate: (value) => {
        const issues: Issue[] = [];
        const result = read(value, [], issues);
        return issues.length > 0 ? { issues } : { value: result as RecordOut<F> };
      },
    },
    [shapeSymbol]: shape,
    shape: { value: shape, isOptional: false, isNullable: false },
    isOptional: false,
    read,
  };
}

/** A text. */
export function string(): Field<string, string, false> {
  return fieldOf({ kind: 'string' }, 'a string', (value) => (typeof value === 'string' ? value : undefined));
}

/** A number; JSON has no others than finite ones. */
export function number(): Field<number, number, false> {
  return fieldOf({ kind: 'number', isInteger: false }, 'a number', (value) =>
    typeof value === 'number' && Number.isFinite(value) ? value : undefined,
  );
}

/** A whole number within 2^53, which a number holds exactly. */
export function integer(): Field<number, number, false> {
  return fieldOf({ kind: 'number', isInteger: true }, 'a whole number within 2^53', (value) =>
    Number.isSafeInteger(value) ? (value as number) : undefined,
  );
}

export function boolean(): Field<boolean, boolean, false> {
  return fieldOf({ kind: 'boolean' }, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
}

/** A time as RFC 3339 has it, `2026-11-21T10:00:00.123Z`; it becomes milliseconds since 1970. For such milliseconds say `integer()`. */
export function timestamp(): Field<string, number, false> {
  return fieldOf({ kind: 'timestamp' }, 'a time such as 2026-11-21T10:00:00Z', (value) => {
    if (typeof value !== 'string') return undefined;
    try {
      const { timeMs, end } = isoTimeAt(value, 0);
      return end === value.length ? timeMs : undefined;
    } catch {
      return undefined;
    }
  });
}

/** One of a few texts. */
export function oneOf<const T extends string>(...texts: readonly [T, ...T[]]): Field<T, T, false> {
  const other = texts.find((text) => typeof text !== 'string');
  if (other !== undefined || texts.length === 0)
    throw invalid(
      'oneOf',
      `is of ${texts.length === 0 ? 'nothing' : shown(other)}; give it texts, such as oneOf('shop', 'web').`,
    );
  const known: ReadonlySet<unknown> = new Set(texts);
  const what = `one of ${texts.map(shown).join(', ')}`;
  return fieldOf({ kind: 'choice', values: texts }, what, (value) => (known.has(value) ? (value as T) : undefined));
}

/** A list of values of one kind. */
export function list<In, Out>(item: Field<In, Out, false>): Field<readonly In[], readonly Out[], false> {
  given('list', 'items', item?.shape, 'a field, such as list(string())');
  const read = (value: unknown, path: Path, issues: Issue[]): readonly Out[] | undefined => {
    if (Array.isArray(value)) return value.map((one, index) => item.read(one, [...path, index], issues) as Out);
    issues.push(wrong(path, 'a list', value));
    return undefined;
  };
  return { shape: { value: judged(read, item.shape), isOptional: false, isNullable: false }, isOptional: false, read };
}

/** The field may be missing. */
export function optional<In, Out>(field: Field<In, Out, false>): Field<In, Out, true> {
  given('optional', 'field', field?.shape, 'one, such as optional(string())');
  return { ...field, shape: { ...field.shape, isOptional: true }, isOptional: true };
}

/** The value may be `null`. */
export function nullable<In, Out>(field: Field<In, Out, false>): Field<In | null, Out | null, false> {
  given('nullable', 'field', field?.shape, 'one, such as nullable(string())');
  return {
    shape: { ...field.shape, isNullable: true },
    isOptional: false,
    read: (value, path, issues) => (value === null ? null : field.read(value, path, issues)),
  };
}

function fieldOf<T, Out>(
  value: ValueShape,
  what: string,
  take: (value: unknown) => Out | undefined,
): Field<T, Out, false> {
  return {
    shape: { value, isOptional: false, isNullable: false },
    isOptional: false,
    read: (given, path, issues) => {
      const taken = take(given);
      if (taken === undefined) issues.push(wrong(path, what, given));
      return taken;
    },
  };
}

function judged(
  read: (value: unknown, path: Path, issues: Issue[]) => unknown,
  items: Omit<FieldShape, 'name'>,
): ValueShape {
  const validate = (value: unknown): StandardSchemaV1.Result<unknown> => {
    const issues: Issue[] = [];
    const result = read(value, [], issues);
    return issues.length > 0 ? { issues } : { value: result };
  };
  return { kind: 'judged', schema: { '~standard': { version: 1, vendor: 'millrace', validate } }, items };
}

const shownCharactersMax = 40;

function wrong(path: Path, expected: string, found: unknown): Issue {
  const text = found === undefined ? 'nothing' : (JSON.stringify(found) ?? String(found));
  const shown = text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text;
  return { message: `expected ${expected}, found ${shown}`, path };
}
