import { MillraceError } from './error.ts';

/** A key's columns. What has the same columns and values meets in the same state. */
export type KeyColumns = Readonly<Record<string, string | number | boolean>>;

/** In UTF-8, as DynamoDB counts: it allows 2,048 for a partition key, which also holds the view's name, and 1,024 for a sort key. */
export const keyBytesMax = 1_024;

/**
 * The canonical text of a key, the only place that makes one: columns sorted, values tagged with their type.
 *
 * `{ ip: '1.2.3.4', status: 200 }` gives `ip=1.2.3.4&status:n=200`. Throws an Error that says which column cannot be a key.
 */
export function encodeKey(columns: KeyColumns): string {
  // What types refuse has no columns, or none with a name: that it is an object is not looked at key by key.
  const names = Object.keys(columns ?? {});
  if (names.length === 0) throw new Error(`the key has no columns; ${columnsAdvice}`);
  if (names.length > 1) names.sort();
  let text = '';
  for (const name of names) {
    if (text !== '') text += '&';
    text += encodeColumn(name, columns[name]);
  }
  return checked(text);
}

/** `encodeKey` of a column of text alone, by far the most frequent key. */
export function encodeTextKey(name: string, value: string): string {
  return checked(encodeColumn(name, value));
}

function checked(text: string): string {
  // No character takes more than three bytes, so hardly any key is counted.
  if (text.length * 3 > keyBytesMax && utf8BytesOf(text) > keyBytesMax)
    throw new Error(`the key has ${utf8BytesOf(text)} bytes in UTF-8; at most ${keyBytesMax} are allowed`);
  return text;
}

/** How many bytes a text has in UTF-8. Its surrogates come in pairs, which take four bytes together. */
export function utf8BytesOf(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}

function encodeColumn(name: string, value: unknown): string {
  if (!isColumnName(name))
    throw new Error(
      `key column ${JSON.stringify(name)} is not a name of letters, digits and _${/^\d/.test(name) ? `; ${columnsAdvice}` : ''}`,
    );
  switch (typeof value) {
    case 'string':
      return `${name}=${escapeText(value)}`;
    case 'number':
      if (!Number.isFinite(value)) throw new Error(`key column ${name} is ${value}, which is not a finite number`);
      // -0 and 0 are equal to a user, and so are their keys.
      return `${name}:n=${value === 0 ? 0 : value}`;
    case 'boolean':
      return `${name}:b=${value}`;
    default:
      throw new Error(
        `key column ${name} is ${value === null ? 'null' : typeof value}; use a string, a number or a boolean`,
      );
  }
}

const columnsAdvice = 'a key is an object of named columns, such as { user: record.user }';

/** The names that were looked at: a process has a few. */
const columnNames = new Set<string>();
const columnNamesMax = 1_000;

function isColumnName(name: string): boolean {
  if (columnNames.has(name)) return true;
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) return false;
  if (columnNames.size < columnNamesMax) columnNames.add(name);
  return true;
}

const special = /[%&=#\ud800-\udfff]/;
const specials = /[%&=#]|[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g;

/** Lone surrogates are escaped too: they would not survive UTF-8, and two keys would become one. */
function escapeText(text: string): string {
  if (!special.test(text)) return text;
  return text.replace(specials, (found) =>
    found.length === 2 ? found : `%${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The columns of a key that `encodeKey` made. */
export function decodeKey(text: string): KeyColumns {
  const columns: Record<string, string | number | boolean> = {};
  for (let start = 0; start <= text.length; ) {
    const equals = text.indexOf('=', start);
    const next = text.indexOf('&', equals);
    const end = next === -1 ? text.length : next;
    const value = text.slice(equals + 1, end);
    // A tag is one character behind a colon.
    const tag = text.charCodeAt(equals - 2) === colon ? text.charCodeAt(equals - 1) : 0;
    const name = text.slice(start, tag === 0 ? equals : equals - 2);
    columns[name] = tag === numberTag ? Number(value) : tag === 0 ? unescapeText(value) : value === 'true';
    start = end + 1;
  }
  return columns;
}

const colon = 0x3a;
const numberTag = 0x6e;

/** The names of a canonical key's columns as a query writes them: `ip`, `status:n`. */
export function columnsOfKey(text: string): readonly string[] {
  return text.split('&').map((part) => part.slice(0, part.indexOf('=')));
}

/** A value of text as it was before it became a part of a key. */
export function unescapeText(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-f]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const writtenNumber = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/**
 * Reads a key column as people write it: `ip` and `1.2.3.4`, or with its type `status:n` and `200`. A value that is not of its
 * type is `QUERY_INVALID`: no row could have such a key.
 */
export function parseKeyColumn(name: string, value: string): readonly [name: string, value: string | number | boolean] {
  const at = name.indexOf(':');
  if (at === -1) return [name, value];
  const column = name.slice(0, at);
  const tag = name.slice(at + 1);
  const invalid = (advice: string): MillraceError =>
    new MillraceError('QUERY_INVALID', `key.${name} is ${JSON.stringify(value)}; ${advice}.`);
  switch (tag) {
    case 'n':
      if (writtenNumber.test(value) && Number.isFinite(Number(value))) return [column, Number(value)];
      throw invalid('a column with :n must be a number, such as 200 or -0.5');
    case 'b':
      if (value === 'true' || value === 'false') return [column, value === 'true'];
      throw invalid('a column with :b must be true or false');
    default:
      throw invalid('a column is a text without a type, or a number with :n, or true or false with :b');
  }
}
