import { KinesisError } from './error.ts';

/** The JSON object of a request. Nothing in it is believed before it was asked for by one of the functions below. */
export type Fields = Readonly<Record<string, unknown>>;

export function parseFields(body: string): Fields {
  let value: unknown;
  try {
    value = body === '' ? {} : JSON.parse(body);
  } catch {
    throw new KinesisError('SerializationException', 'The body is not JSON.');
  }
  return asFields(value, 'The body');
}

export function textOf(fields: Fields, name: string): string {
  return textIn(fields, name) ?? missing(name);
}

export function textIn(fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  return value === undefined || typeof value === 'string' ? value : mistyped(name, 'a string');
}

export function numberOf(fields: Fields, name: string): number {
  return numberIn(fields, name) ?? missing(name);
}

export function numberIn(fields: Fields, name: string): number | undefined {
  const value = fields[name] ?? undefined;
  return value === undefined || typeof value === 'number' ? value : mistyped(name, 'a number');
}

/** A whole number within the bounds, or `otherwise` if it is absent. */
export function countIn(
  fields: Fields,
  count: { readonly name: string; readonly max: number; readonly otherwise: number },
): number {
  const value = numberIn(fields, count.name) ?? count.otherwise;
  if (Number.isInteger(value) && value >= 1 && value <= count.max) return value;
  throw new KinesisError('ValidationException', `${count.name} must be within 1 and ${count.max}, not ${value}.`);
}

/** Timestamps are seconds since the epoch, with a fraction. */
export function timestampMsOf(fields: Fields, name: string): number {
  return Math.round(numberOf(fields, name) * 1_000);
}

/** What is no Base64 would otherwise be read as far as it is, and stored. */
export function bytesOf(fields: Fields, name: string): Uint8Array {
  const text = textOf(fields, name);
  const bytes = Buffer.from(text, 'base64');
  const padding = text.endsWith('==') ? 2 : Number(text.endsWith('='));
  if (text.length % 4 === 0 && bytes.length === (text.length / 4) * 3 - padding) return bytes;
  throw new KinesisError('SerializationException', `${name} must be Base64, and ${text.length} characters are not.`);
}

/** A hash key, written in decimal. */
export function hashKeyIn(fields: Fields, name: string): bigint | undefined {
  const text = textIn(fields, name);
  if (text === undefined || /^(0|[1-9]\d{0,38})$/.test(text)) return text === undefined ? undefined : BigInt(text);
  throw new KinesisError('ValidationException', `${name} must be a decimal number of 128 bits, not '${text}'.`);
}

export function fieldsOf(fields: Fields, name: string): Fields {
  return asFields(fields[name] ?? missing(name), name);
}

export function fieldsIn(fields: Fields, name: string): Fields | undefined {
  const value = fields[name] ?? undefined;
  return value === undefined ? undefined : asFields(value, name);
}

export function listOf(fields: Fields, name: string): readonly Fields[] {
  const value = fields[name] ?? missing(name);
  return Array.isArray(value) ? value.map((element) => asFields(element, name)) : mistyped(name, 'a list');
}

function asFields(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  return mistyped(name, 'an object');
}

function missing(name: string): never {
  throw new KinesisError(
    'ValidationException',
    `Value null at '${name}' failed to satisfy constraint: must not be null.`,
  );
}

function mistyped(name: string, type: string): never {
  throw new KinesisError('SerializationException', `${name} must be ${type}.`);
}
