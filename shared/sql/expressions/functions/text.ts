import { SqlProblem } from '#shared/sql/parse/problem.ts';
import { type Compiled, constantOf, folded } from '../compiled.ts';
import { regularExpression } from '../pattern.ts';
import { booleanType, integerType, stringType } from '../types.ts';
import { type FunctionTable, strictFunction, textsOf } from './signature.ts';

/** Characters, not halves of them: a text with characters beyond 16 bits is cut by code points. */
function charactersOf(text: string): readonly string[] | string {
  return /[\ud800-\udfff]/.test(text) ? [...text] : text;
}

function textBetween(text: string, from: number, to: number): string {
  const characters = charactersOf(text);
  const part = characters.slice(Math.max(0, from), Math.max(0, to));
  return typeof part === 'string' ? part : part.join('');
}

/** From character `start`, counted from 1, or from the end when it is below 0; what lies before the text counts too. A length below 0 is one of 0. */
function substring(text: string, start: number, length?: number): string {
  const { length: count } = charactersOf(text);
  const from = start > 0 ? start - 1 : start < 0 ? count + start : -1;
  return textBetween(text, from, length === undefined ? count : from + length);
}

function trim(text: string, characters = ' ', side = 'BOTH'): string {
  const all = [...text];
  const dropped = new Set(characters);
  let from = 0;
  let to = all.length;
  if (side !== 'TRAILING') while (from < to && dropped.has(all[from] as string)) from += 1;
  if (side !== 'LEADING') while (to > from && dropped.has(all[to - 1] as string)) to -= 1;
  return all.slice(from, to).join('');
}

/** The field, counted from 1, or from the end when it is below 0; an empty text when there is none. */
function splitPart(text: string, separator: string, index: number): string {
  const parts = separator === '' ? [text] : text.split(separator);
  return parts.at(index > 0 ? index - 1 : index < 0 ? index : parts.length) ?? '';
}

const paddedMax = 100_000;

function pad(text: string, length: number, fill: string, isLeft: boolean): string {
  const characters = [...text];
  if (characters.length >= length || fill === '') return characters.slice(0, Math.max(0, length)).join('');
  if (length > paddedMax) throw new Error(`a text is filled up to ${paddedMax} characters at most`);
  const missing = [...fill.repeat(Math.ceil((length - characters.length) / [...fill].length))]
    .slice(0, length - characters.length)
    .join('');
  return isLeft ? missing + text : text + missing;
}

function repeated(text: string, count: number): string {
  if (text.length * count > paddedMax) throw new Error(`REPEAT gives ${paddedMax} characters at most`);
  return text.repeat(Math.max(0, count));
}

/** The place of a text in another, counted from 1, from a place on; 0 when it is not there. */
function position(wanted: string, text: string, start = 1): number {
  if (start < 1) return 0;
  const from = start === 1 ? 0 : textBetween(text, 0, start - 1).length;
  const at = text.indexOf(wanted, from);
  return at === -1 ? 0 : [...text.slice(0, at)].length + 1;
}

/** Words are letters and digits; the first letter of each is a large one, the others small. */
function initials(text: string): string {
  return text.toLowerCase().replaceAll(/[\p{L}\p{N}\p{M}]+/gu, (word) => {
    const [first = '', ...rest] = word;
    return first.toUpperCase() + rest.join('');
  });
}

/** A text with another one in the place of so many of its characters, by default as many as the other has. */
function overlay(text: string, by: string, start: number, count = charactersOf(by).length): string {
  const { length: all } = charactersOf(text);
  if (start < 1) throw new Error(`OVERLAY begins at character 1 or behind it, and not at ${start}`);
  return textBetween(text, 0, start - 1) + by + textBetween(text, start - 1 + Math.max(0, count), all);
}

function character(code: number): string {
  if (code < 1 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new Error(`${code} is no character`);
  return String.fromCodePoint(code);
}

/** `\1` is what the first group found, `\0` all that was found; a group that there is not has found nothing. */
function replacement(by: string, found: readonly unknown[]): string {
  // Behind the groups stand the place, which is a number, and the whole text.
  const groups = found.slice(
    0,
    found.findIndex((part) => typeof part === 'number'),
  );
  return by.replaceAll(/\\(\d)/g, (_, group: string) => String(groups[Number(group)] ?? ''));
}

const length = strictFunction('CHAR_LENGTH(text)', ['text'], integerType, (text: string) => charactersOf(text).length);
const part = strictFunction('SUBSTRING(text, start, length)', ['text', 'integer', 'integer'], stringType, substring, {
  needed: 2,
});
const within = strictFunction('STRPOS(text, wanted)', ['text', 'text'], integerType, (text: string, wanted: string) =>
  position(wanted, text),
);
const matches = strictFunction(
  'REGEXP_LIKE(text, pattern)',
  ['text', 'text'],
  booleanType,
  (text: string, pattern: string) => regularExpression(pattern).test(text),
);

const replaceAll = strictFunction(
  'REGEXP_REPLACE(text, pattern, by)',
  ['text', 'text', 'text'],
  stringType,
  (text: string, pattern: string, by: string) =>
    text.replace(regularExpression(pattern, 'g'), (...found) => replacement(by, found)),
);

/** NULL is nothing in CONCAT, as in PostgreSQL and DuckDB; `||` with NULL is NULL. */
function concatenated(args: readonly Compiled[], separator: Compiled | undefined, name: string): Compiled {
  const evaluates = args.map((arg) => arg.evaluate);
  const of = separator?.evaluate;
  const all = separator === undefined ? args : [separator, ...args];
  return folded({
    type: stringType,
    nullable: separator?.nullable ?? false,
    isConstant: all.every((arg) => arg.isConstant),
    text: `${name}(${all.map((arg) => arg.text).join(', ')})`,
    evaluate: (values) => {
      const between = of === undefined ? '' : of(values);
      if (between === null) return null;
      return evaluates
        .map((evaluate) => evaluate(values))
        .filter((value) => value !== null)
        .join(between as string);
    },
  });
}

/** Functions of texts. Characters count from 1. */
export const textFunctions: FunctionTable = {
  UPPER: strictFunction('UPPER(text)', ['text'], stringType, (text: string) => text.toUpperCase()),
  LOWER: strictFunction('LOWER(text)', ['text'], stringType, (text: string) => text.toLowerCase()),
  CHAR_LENGTH: length,
  CHARACTER_LENGTH: length,
  LENGTH: length,
  SUBSTRING: part,
  SUBSTR: part,
  LEFT: strictFunction('LEFT(text, count)', ['text', 'integer'], stringType, (text: string, count: number) =>
    textBetween(text, 0, count < 0 ? charactersOf(text).length + count : count),
  ),
  RIGHT: strictFunction('RIGHT(text, count)', ['text', 'integer'], stringType, (text: string, count: number) => {
    const { length: all } = charactersOf(text);
    return textBetween(text, count < 0 ? -count : all - count, all);
  }),
  TRIM: strictFunction("TRIM(BOTH ' ' FROM text)", ['text', 'text', 'text'], stringType, trim, { needed: 1 }),
  LTRIM: strictFunction(
    'LTRIM(text)',
    ['text', 'text'],
    stringType,
    (text: string, characters = ' ') => trim(text, characters, 'LEADING'),
    { needed: 1 },
  ),
  RTRIM: strictFunction(
    'RTRIM(text)',
    ['text', 'text'],
    stringType,
    (text: string, characters = ' ') => trim(text, characters, 'TRAILING'),
    { needed: 1 },
  ),
  LPAD: strictFunction(
    'LPAD(text, length, fill)',
    ['text', 'integer', 'text'],
    stringType,
    (text: string, count: number, fill = ' ') => pad(text, count, fill, true),
    { needed: 2 },
  ),
  RPAD: strictFunction(
    'RPAD(text, length, fill)',
    ['text', 'integer', 'text'],
    stringType,
    (text: string, count: number, fill = ' ') => pad(text, count, fill, false),
    { needed: 2 },
  ),
  REPEAT: strictFunction('REPEAT(text, count)', ['text', 'integer'], stringType, repeated),
  REVERSE: strictFunction('REVERSE(text)', ['text'], stringType, (text: string) => [...text].reverse().join('')),
  REPLACE: strictFunction(
    'REPLACE(text, wanted, by)',
    ['text', 'text', 'text'],
    stringType,
    (text: string, wanted: string, by: string) => (wanted === '' ? text : text.replaceAll(wanted, () => by)),
  ),
  POSITION: strictFunction('POSITION(wanted IN text)', ['text', 'text'], integerType, position),
  STRPOS: within,
  INSTR: { ...within, form: 'INSTR(text, wanted)' },
  LOCATE: strictFunction('LOCATE(wanted, text, start)', ['text', 'text', 'integer'], integerType, position, {
    needed: 2,
  }),
  SPLIT_PART: strictFunction('SPLIT_PART(text, separator, index)', ['text', 'text', 'integer'], stringType, splitPart),
  SPLIT_INDEX: strictFunction(
    'SPLIT_INDEX(text, separator, index)',
    ['text', 'text', 'integer'],
    stringType,
    (text: string, separator: string, index: number) =>
      index < 0 ? null : ((separator === '' ? [text] : text.split(separator))[index] ?? null),
    { nullable: true },
  ),
  INITCAP: strictFunction('INITCAP(text)', ['text'], stringType, initials),
  OVERLAY: strictFunction(
    'OVERLAY(text PLACING by FROM start FOR count)',
    ['text', 'text', 'integer', 'integer'],
    stringType,
    overlay,
    { needed: 3 },
  ),
  ASCII: strictFunction('ASCII(text)', ['text'], integerType, (text: string) => text.codePointAt(0) ?? 0),
  CHR: strictFunction('CHR(code)', ['integer'], stringType, character),
  STARTS_WITH: strictFunction(
    'STARTS_WITH(text, start)',
    ['text', 'text'],
    booleanType,
    (text: string, start: string) => text.startsWith(start),
  ),
  ENDS_WITH: strictFunction('ENDS_WITH(text, end)', ['text', 'text'], booleanType, (text: string, end: string) =>
    text.endsWith(end),
  ),
  REGEXP_LIKE: matches,
  REGEXP_MATCHES: matches,
  REGEXP: { ...matches, form: 'REGEXP(text, pattern)' },
  REGEXP_EXTRACT: strictFunction(
    'REGEXP_EXTRACT(text, pattern, group)',
    ['text', 'text', 'integer'],
    stringType,
    (text: string, pattern: string, group = 0) => regularExpression(pattern).exec(text)?.[group] ?? '',
    { needed: 2 },
  ),
  REGEXP_REPLACE: {
    ...replaceAll,
    count: [3, 4],
    compile: (args, call) => {
      const [, , , flags] = call.args;
      // PostgreSQL and DuckDB say so that all are replaced, which is what is done anyway, as in Flink.
      if (flags !== undefined && constantOf(args[3]) !== 'g')
        throw new SqlProblem(flags.at, "every place is replaced, so the one flag is 'g'. For any case write [aA].");
      return replaceAll.compile(args.slice(0, 3), { ...call, args: call.args.slice(0, 3) });
    },
  },
  CONCAT: {
    form: 'CONCAT(text, …)',
    count: [1, Number.POSITIVE_INFINITY],
    compile: (args, call) => concatenated(textsOf(args, call), undefined, 'CONCAT'),
  },
  CONCAT_WS: {
    form: 'CONCAT_WS(separator, text, …)',
    count: [2, Number.POSITIVE_INFINITY],
    compile: (args, call) => {
      const [separator, ...texts] = textsOf(args, call);
      return concatenated(texts, separator, 'CONCAT_WS');
    },
  },
};
