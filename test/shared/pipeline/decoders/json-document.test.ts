import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { jsonDocument } from '#shared/pipeline/decoders/json-document.ts';
import { decodeTools } from '#shared/runtime/decode-tools.ts';

function partsOf(decoder: ReturnType<typeof jsonDocument>, text: string) {
  return [...decoder.decodeBytes(Buffer.from(text), { tools: decodeTools, roomBytes: 1 << 20 })];
}

describe('jsonDocument', () => {
  test('is one record on many lines', () => {
    expect(partsOf(jsonDocument(), '{\n  "a": [1,\n 2]\n}\n')).toMatchObject([{ value: { a: [1, 2] } }]);
  });

  test('gives the elements of a list, each with a document that holds it alone', () => {
    const decoder = jsonDocument({ records: ['data', 'rows'] });
    expect(partsOf(decoder, '{"x":0,"data":{"rows":[{"a":1},2]}}')).toEqual([
      { value: { a: 1 }, payload: '{"data":{"rows":[{"a":1}]}}' },
      { value: 2, payload: '{"data":{"rows":[2]}}' },
    ]);
    expect(partsOf(jsonDocument({ records: [] }), '[1]')).toEqual([{ value: 1, payload: '[1]' }]);
  });

  test('takes no notice of the mark that editors put before a text', () => {
    const text = '\u{feff}\n{"a":1}';
    expect(partsOf(jsonDocument(), text)).toMatchObject([{ value: { a: 1 } }]);
    expect(jsonDocument().recognisesBytes(Buffer.from(text))).toBe(true);
  });

  test.each([
    [undefined, '{"a":\n}', 'the document is not JSON: Unexpected token'],
    [['rows'], '{"a":1}', 'the document has no rows, where its records are'],
    [['toString'], '{"a":1}', 'the document has no toString'],
    [['a', 'b'], '{"a":null}', 'the document has no a.b'],
    [['a'], '{"a":{}}', 'a is no list of records'],
    [[], '{}', 'the document is no list of records'],
  ])('with records at %j rejects %j', (records, text, message) => {
    expect(() => partsOf(jsonDocument(records === undefined ? {} : { records }), text)).toThrow(message);
  });
});
