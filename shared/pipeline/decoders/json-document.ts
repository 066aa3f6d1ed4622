import type { BytesDecoder, DecodedPart } from '../decoder.ts';
import { givenList, givenOptions, invalid, shown } from '../refuse.ts';

/**
 * One JSON value that takes the whole of a raw record or file, on however many lines: a record or, with `records`, a document that holds a
 * list of them at that path. An empty path is a document that is the list.
 *
 *     jsonDocument()                             // {
 *                                                //   "ip": "192.0.2.1"
 *                                                // }
 *     jsonDocument({ records: ['logEvents'] })   // {"logGroup": "vpc", "logEvents": [{"message": ...}, {"message": ...}]}
 */
export function jsonDocument(options: { readonly records?: readonly string[] } = {}): BytesDecoder {
  const { records } = givenOptions('jsonDocument', options, ['records'], "{ records: ['logEvents'] }");
  const such = "a list of names, such as ['logEvents']";
  if (
    records !== undefined &&
    !givenList('jsonDocument', 'records', records, such).every((name) => typeof name === 'string')
  )
    throw invalid('jsonDocument', `has ${shown(records)} for its records; give ${such}.`);
  return {
    format: 'json-document',
    config: records === undefined ? {} : { records: [...records] },
    recognisesBytes: (start) => isOpening(withoutMark(start).find((byte) => !isBlank(byte))),
    decodeBytes: (bytes, { tools }) => {
      const text = tools.text(withoutMark(bytes));
      if (text === undefined) throw new Error('the document is not UTF-8 text');
      let document: unknown;
      try {
        document = JSON.parse(text);
      } catch (error) {
        throw new Error(`the document is not JSON: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
      if (records === undefined) return [{ value: document, payload: bytes }];
      return listAt(document, records).map(
        (value): DecodedPart => ({
          value,
          // A document like it that holds this record alone.
          get payload() {
            return JSON.stringify(records.reduceRight<unknown>((inner, name) => ({ [name]: inner }), [value]));
          },
        }),
      );
    },
  };
}

function listAt(document: unknown, path: readonly string[]): readonly unknown[] {
  let value = document;
  for (const [depth, name] of path.entries()) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      throw new Error(`the document has no ${path.slice(0, depth + 1).join('.')}, where its records are`);
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  if (Array.isArray(value)) return value;
  throw new Error(`${path.length === 0 ? 'the document' : path.join('.')} is no list of records`);
}

/** Editors put a mark of UTF-8 before a text, which is none of it. */
function withoutMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** `{` or `[`. */
function isOpening(byte: number | undefined): boolean {
  return byte === 0x7b || byte === 0x5b;
}
