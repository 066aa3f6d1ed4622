import { deepStrictEqual } from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import * as z from 'zod';
import { type QuickCheck, quickCheckOf } from '#shared/engine/decode/quick-check.ts';
import { RecordReader } from '#shared/engine/decode/record-reader.ts';
import {
  boolean,
  integer,
  json,
  list,
  nullable,
  number,
  oneOf,
  optional,
  record,
  string,
  timestamp,
} from '#shared/pipeline/index.ts';
import { type ReadPath, readingPaths } from '#shared/pipeline/reads.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';
import {
  anyType,
  booleanType,
  type Column,
  decimalType,
  doubleType,
  integerType,
  stringType,
  timestampType,
} from '#shared/sql/expressions/types.ts';
import { tableSchema } from '#shared/sql/tables/table-schema.ts';
import { type Found, mutate, readAll, readEach, sourceOf } from './decoders.ts';
import { jsonOf, textOf } from './line-formats.ts';
import { numberText, timeText } from './scanned-values.ts';
import type { Draw, FuzzTarget } from './targets.ts';

/** Schemas that have a shape, and what their records hold. Together they have every kind of value, missing and null ones too. */
const schemas: readonly { readonly name: string; readonly schema: StandardSchemaV1 }[] = [
  {
    name: 'record',
    schema: record({
      ip: string(),
      bytes: number(),
      count: integer(),
      at: timestamp(),
      flag: optional(boolean()),
      note: nullable(string()),
      kind: oneOf('view', 'buy'),
      tags: optional(list(string())),
      inner: optional(nullable(record({ ip: string(), bytes: optional(number()) }))),
    }),
  },
  {
    name: 'zod',
    schema: z.object({
      ip: z.string(),
      bytes: z.number(),
      count: z.number().int(),
      at: z.iso.datetime(),
      flag: z.boolean().optional(),
      note: z.string().nullable(),
      kind: z.enum(['view', 'buy']),
      tags: z.array(z.string()).optional(),
      inner: z.object({ ip: z.string(), bytes: z.number().optional() }).nullable().optional(),
    }),
  },
  {
    name: 'zod-strange',
    schema: z.strictObject({
      ip: z.string().min(2).default('none'),
      bytes: z.number().min(0).catch(-1),
      count: z.int().nonnegative(),
      at: z.coerce.string(),
      flag: z.boolean().prefault(true),
      note: z.string().nullish(),
      kind: z.literal('view').or(z.literal('buy')),
      tags: z.array(z.string()).transform((tags) => tags.length),
      inner: z.unknown(),
    }),
  },
  {
    name: 'union',
    schema: z.union([
      z.object({ ip: z.string(), count: z.number().int(), flag: z.boolean() }),
      z.object({ ip: z.string(), tags: z.array(z.string()), note: z.string().nullable() }),
      z.object({ bytes: z.number().optional(), kind: z.enum(['view', 'buy']) }),
    ]),
  },
  { name: 'sql', schema: tableOf({ isGuessed: false }) },
  { name: 'sql-guessed', schema: tableOf({ isGuessed: true }) },
  {
    name: 'two',
    schema: record({ at: timestamp(), kind: oneOf('view', 'buy') }),
  },
  {
    name: 'zod-loose',
    schema: z.looseObject({ ip: z.string(), inner: z.object({ ip: z.string() }).passthrough().optional() }),
  },
];

/** A table of SQL, with a column that is computed and may throw. */
function tableOf({ isGuessed }: { readonly isGuessed: boolean }): StandardSchemaV1 {
  const columns: readonly Column[] = [
    { name: 'ip', type: stringType, nullable: false },
    { name: 'bytes', type: doubleType, nullable: true },
    { name: 'count', type: integerType, nullable: false },
    { name: 'at', type: timestampType, nullable: true },
    { name: 'flag', type: booleanType, nullable: true },
    { name: 'note', type: stringType, nullable: true },
    { name: 'kind', type: anyType, nullable: true },
    { name: 'more', type: decimalType(2), nullable: true },
    { name: 'tags', type: { kind: 'array', element: stringType }, nullable: true },
    {
      name: 'inner',
      type: {
        kind: 'row',
        fields: [
          { name: 'ip', type: stringType, nullable: false },
          { name: 'bytes', type: doubleType, nullable: true },
        ],
      },
      nullable: true,
    },
  ];
  const halved = readingPaths(
    (values: Readonly<Record<string, unknown>>) => {
      if (values['count'] === 7) throw new Error('seven');
      return (values['count'] as number) / 2;
    },
    [['count']],
  );
  const quartered = readingPaths(
    (values: Readonly<Record<string, unknown>>) => (values['halved'] as number) / 2,
    [['halved']],
  );
  return tableSchema(columns, { isText: false, isGuessed }, [
    { name: 'halved', evaluate: halved },
    { name: 'quartered', evaluate: quartered },
  ]);
}

/** All of the record; in the second half of the targets some of it, drawn anew now and then. */
const all: readonly ReadPath[] = [[]];

export const scannerTargets: readonly FuzzTarget[] = schemas.flatMap(({ name, schema }) => [
  scannerTarget(`scanner-${name}`, schema, () => all),
  scannerTarget(`scanner-${name}-in-part`, schema, pathsOf),
]);

function scannerTarget(
  name: string,
  schema: StandardSchemaV1,
  drawRead: (draw: Draw) => readonly ReadPath[],
): FuzzTarget {
  const generic = new RecordReader(sourceOf(json(), { '~standard': schema['~standard'] }), decodeTools);
  let read: readonly ReadPath[] = all;
  let source = sourceOf(json(), schema, read);
  let compiled: RecordReader | undefined;
  return {
    name,
    group: 'scanner',
    tryOne: (draw) => {
      // What was learned long ago must not hide what is learned now.
      if (compiled === undefined || draw.chance(0.01)) {
        read = drawRead(draw);
        source = sourceOf(json(), schema, read);
        compiled = new RecordReader(source, decodeTools);
      }
      const style = styleOf(draw);
      const lines = Array.from({ length: 1 + draw.below(6) }, () => lineOf(draw, style));
      const text = Buffer.from(lines.join(draw.chance(0.9) ? '\n' : '\r\n') + draw.pick(['', '\n', '\r\n', '\r']));
      const bytes = draw.chance(0.5) ? text : mutate(draw, text);
      const inPart = (found: Found): Found =>
        'value' in found ? { ...found, value: partOf(found.value, read) } : found;
      const expected = readAll(generic, bytes).map(inPart);
      const found = readAll(compiled, bytes).map(inPart);
      // Whoever looks ahead finds the same.
      if (draw.chance(0.3)) for (const cache of compiled.texts) Object.assign(cache, { keepsAll: true, wideFrom: 0 });
      // Again: what was learned from the lines reads them now.
      const again = readAll(compiled, bytes).map(inPart);
      for (const one of [found, again]) assertSame(one, expected);
      for (const line of lines) assertChecks(quickCheckOf(source), schema, line, read);
      // As texts, with characters that are no ASCII, and line feeds where none belong.
      const characters = bytes.toString(draw.pick(['utf8', 'latin1', 'ucs2']));
      const texts = draw.chance(0.8) ? characters.split(/\r?\n/) : [characters, ...lines];
      assertSame(readEach(compiled, texts).map(inPart), readEach(generic, texts).map(inPart));
    },
  };
}

/** What the quick check knows of a line's value is what the schema makes of it. */
function assertChecks(
  check: QuickCheck | undefined,
  schema: StandardSchemaV1,
  line: string,
  read: readonly ReadPath[],
): void {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return;
  }
  const known = check?.(value);
  if (known === undefined) return;
  const result = schema['~standard'].validate(value);
  if (!('value' in result)) throw new Error(`the check takes what the schema refuses: ${line}`);
  const [found, expected] = [partOf(known, read), partOf(result.value, read)];
  deepStrictEqual(found, expected);
  deepStrictEqual(JSON.stringify(found), JSON.stringify(expected));
}

function assertSame(found: readonly Found[], expected: readonly Found[]): void {
  deepStrictEqual(found.map(comparable), expected.map(comparable));
  deepStrictEqual(JSON.stringify(found), JSON.stringify(expected));
}

function pathsOf(draw: Draw): readonly ReadPath[] {
  const inner: readonly ReadPath[] = [['inner'], ['inner', 'ip'], ['inner', 'bytes'], ['inner', 'none']];
  return fields.flatMap((name) => (draw.chance(0.5) ? [] : [name === 'inner' ? draw.pick(inner) : [name]]));
}

/** What lies on the paths. */
function partOf(value: unknown, paths: readonly ReadPath[]): unknown {
  if (typeof value !== 'object' || value === null || paths.some((path) => path.length === 0)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) => {
      const below = paths.flatMap(([first, ...rest]) => (first === name ? [rest] : []));
      return below.length === 0 ? [] : [[name, partOf(inner, below)]];
    }),
  );
}

function comparable({ payload, ...rest }: Found): unknown {
  return { ...rest, payload: typeof payload === 'string' ? payload : Buffer.from(payload).toString('latin1') };
}

/** How a producer writes: its fields in one order, and blanks of its own. */
interface Style {
  readonly names: readonly string[];
  readonly colon: string;
  readonly comma: string;
  readonly open: string;
}

const fields = ['ip', 'bytes', 'count', 'at', 'flag', 'note', 'kind', 'tags', 'inner'];

function styleOf(draw: Draw): Style {
  const others = draw.chance(0.5) ? [] : ['more', 'ip2'];
  const names = draw.chance(0.5) ? [...fields, ...others] : [...fields, ...others].sort(() => draw.share() - 0.5);
  const dropped = draw.chance(0.5)
    ? names
    : names.filter((name) => !['flag', 'tags', 'inner', 'note'].includes(name) || draw.chance(0.5));
  return {
    names: dropped,
    colon: draw.pick([':', ': ', ' :\t']),
    comma: draw.pick([',', ', ', ' ,']),
    open: draw.pick(['{', '{ ', ' {']),
  };
}

function lineOf(draw: Draw, { names, colon, comma, open }: Style): string {
  const kept = draw.chance(0.05) ? names.filter(() => draw.chance(0.9)) : names;
  const again = draw.chance(0.03) ? [draw.pick(fields)] : [];
  // One thing at a time, so that nothing else hides it.
  const strange = draw.chance(0.4) ? draw.pick(names) : '';
  const pairs = [...kept, ...again].map((name) => {
    const key = name === strange && draw.chance(0.1) ? escaped(name) : JSON.stringify(name);
    return `${key}${colon}${name === strange ? strangeValue(draw, name) : usualValue(draw, name, { colon, comma })}`;
  });
  return `${open}${pairs.join(comma)}}${draw.chance(0.05) ? ' ' : ''}`;
}

function escaped(text: string): string {
  return `"${Array.from(text, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`;
}

function usualValue(draw: Draw, name: string, { colon, comma }: Pick<Style, 'colon' | 'comma'>): string {
  switch (name) {
    case 'ip':
      // Of one hash.
      return draw.pick(['"10.0.0.Aa"', '"10.0.0.BB"', `"10.0.0.${draw.below(256)}"`]);
    case 'note':
      return draw.pick(['null', '"a note"', '""']);
    case 'bytes':
      return draw.pick([String(draw.below(1e9)), String(draw.below(1e6) / 100), String(-draw.below(1e15))]);
    case 'count':
      return draw.chance(0.1) ? '7' : String(draw.below(1e6));
    case 'at':
      return JSON.stringify(new Date(draw.below(2 ** 31) * 1_000 + draw.below(1_000)).toISOString());
    case 'flag':
      return draw.pick(['true', 'false']);
    case 'kind':
      return draw.pick(['"view"', '"buy"']);
    case 'tags':
      return JSON.stringify(Array.from({ length: draw.below(3) }, () => 'tag'));
    case 'inner':
      return draw.chance(0.8) ? `{"ip"${colon}"a"${comma}"bytes"${colon}${draw.below(1e6)}}` : 'null';
    default:
      return JSON.stringify(jsonOf(draw));
  }
}

function strangeValue(draw: Draw, name: string): string {
  if (draw.chance(0.1)) return JSON.stringify(jsonOf(draw));
  switch (name) {
    case 'ip':
    case 'note':
      return draw.chance(0.2) ? escaped(textOf(draw)) : JSON.stringify(textOf(draw));
    case 'bytes':
    case 'count':
      return numberText(draw);
    case 'at':
      return JSON.stringify(timeText(draw));
    case 'flag':
      return draw.pick(['tru', '1', 'null', 'truefalse']);
    case 'kind':
      return draw.pick(['"other"', '"vie\\u0077"', 'null']);
    case 'tags':
      return JSON.stringify(Array.from({ length: draw.below(3) }, () => textOf(draw)));
    case 'inner':
      return draw.chance(0.5) ? `{"ip":"b","bytes":${numberText(draw)}}` : JSON.stringify(jsonOf(draw));
    default:
      return draw.pick(['[1,', '{"a":1,}', '"\\x"', '"\\u00e9"', '01', '-', '[[[]]]', '{"a":{"b":[1,"\\n"]}}']);
  }
}
