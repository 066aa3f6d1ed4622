import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csv } from '#shared/pipeline/decoders/csv.ts';

const requests = csv({ columns: { ip: 'string', bytes: 'number', ts: 'number' } });

describe('csv', () => {
  test('reads typed columns in their order', () => {
    expect(requests.decodeLine('1.2.3.4,512,1431857103000')).toEqual({
      ip: '1.2.3.4',
      bytes: 512,
      ts: 1_431_857_103_000,
    });
  });

  test('reads booleans', () => {
    const flags = csv({ columns: { failed: 'boolean', cached: 'boolean' } });
    expect(flags.decodeLine('true,false')).toEqual({ failed: true, cached: false });
    expect(() => flags.decodeLine('true,no')).toThrow('column cached (field 2, character 6) is "no", not a boolean');
  });

  test('reads quoted fields', () => {
    expect(requests.decodeLine('"a ""b"", c","1",2')).toEqual({ ip: 'a "b", c', bytes: 1, ts: 2 });
  });

  test('reads another separator', () => {
    const tabs = csv({ columns: { ip: 'string', bytes: 'number' }, separator: '\t' });
    expect(tabs.decodeLine('a,b\t1')).toEqual({ ip: 'a,b', bytes: 1 });
  });

  test.each([
    ['0', 0],
    ['-1.5', -1.5],
    ['+7', 7],
    ['1e3', 1_000],
    ['.5', 0.5],
    ['5.', 5],
    [' 12\t', 12],
    ['00012', 12],
    ['999999999999999', 999_999_999_999_999],
    ['9007199254740993', 9_007_199_254_740_992],
    // Taken digit by digit this one is rounded more than once.
    ['46313507481881814456', 46_313_507_481_881_810_000],
    ['0.1234567890123456789', 0.123_456_789_012_345_68],
  ])('reads the number %j', (field, number) => {
    expect(requests.decodeLine(`a,${field},0`)).toEqual({ ip: 'a', bytes: number, ts: 0 });
  });

  test.each(['', ' ', 'abc', '0x10', '1e999', 'Infinity', 'NaN', '1 2', '1_000', '--1', '1e', '.', '12a'])(
    'reads no number from %j, and says in which column',
    (field) => {
      expect(() => requests.decodeLine(`a,${field},0`)).toThrow(
        `column bytes (field 2, character 3) is ${JSON.stringify(field)}, not a number`,
      );
    },
  );

  test.each(['ip,bytes,ts', '"ip","bytes","ts"', 'ip,"bytes",ts'])('the header %s is no record', (line) => {
    expect(requests.decodeLine(line)).toBeUndefined();
  });

  test('a line with one name in it is no header', () => {
    expect(requests.decodeLine('ip,1,2')).toEqual({ ip: 'ip', bytes: 1, ts: 2 });
    expect(() => requests.decodeLine('ip,bytes,2')).toThrow('column bytes');
  });

  test.each([
    ['a,1', 'the line has 2 fields; expected 3: ip,bytes,ts'],
    ['a', 'the line has 1 field; expected 3: ip,bytes,ts'],
    ['a,1,2,', 'the line has 4 fields; expected 3: ip,bytes,ts'],
    ['a,1,2,3,4', 'the line has 5 fields; expected 3: ip,bytes,ts'],
    ['"a,1,2', 'column ip (field 1, character 1) has an opening quote and no closing one'],
    [
      '"a"b,1,2',
      'column ip (field 1, character 4): expected "," or the end of the line behind the closing quote, found "b"',
    ],
    ['a"b,1,2', 'column ip (field 1, character 2) has a quote inside a field'],
    [`a,${'9x'.repeat(40)},2`, `is "${'9x'.repeat(20)}…", not a number`],
  ])('of %s says: %s', (line, message) => {
    expect(() => requests.decodeLine(line)).toThrow(message);
  });

  test.each([
    ['1.2.3.4,5,6', true],
    ['1.2.3.4,5', true],
    ['ip,bytes,ts', true],
    ['"a b",1,2', true],
    ['{"ip":"a","bytes":1}', false],
    ['[1,2,3]', false],
    ['h - - [17/May/2015:10:05:03 +0000] "GET /a,b HTTP/1.1" 200 1 "-" "(KHTML, like Gecko, and, more)"', false],
    ['no separator', false],
    ['"the first of several lines', true],
    ['no "field that is quoted', false],
  ])('whether %s is of this format: %s', (line, expected) => {
    expect(requests.recognises(line)).toBe(expected);
  });

  test.each([
    ['a,b,c', false, undefined],
    ['"a",b', false, undefined],
    ['a,"b', false, 2],
    ['"a,""', false, 0],
    ['"a""', false, 0],
    ['"a""",b', false, undefined],
    ['a "b,c', false, undefined],
    ['"a" b,"c', false, undefined],
    ['', true, -1],
    ['a,b', true, -1],
    ['a,""b', true, -1],
    ['a",b', true, undefined],
    ['a","b', true, 3],
    ['a" b,"c', true, undefined],
    ['",",","', true, 6],
  ])('%s, with a field open before it %s, opens one at %s', (line, isOpen, expected) => {
    expect(requests.spanning?.openAt(line, isOpen)).toBe(expected);
  });

  test('the order of the columns shows in the plan', () => {
    const one = csv({ columns: { a: 'string', b: 'string' } });
    const other = csv({ columns: { b: 'string', a: 'string' } });
    expect(JSON.stringify(one.config)).not.toBe(JSON.stringify(other.config));
  });

  test.each([
    [{ columns: {} }, 'there are no columns'],
    [{ columns: { a: 'integer' } }, 'column a is of type integer; use string, number, boolean'],
    [{ columns: JSON.parse('{"__proto__":"string"}') }, 'a column cannot be named __proto__'],
    [{ columns: { a: 'string' }, separator: ', ' }, 'the separator is ", "'],
    [{ columns: { a: 'string' }, separator: '"' }, 'the separator is "\\""'],
  ])('options %j are refused: %s', (options, message) => {
    expect(() => csv(options as Parameters<typeof csv>[0])).toThrow(message);
  });
});

describe('beside csv-parse', () => {
  const columnsOf = (count: number): Record<string, 'string'> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`column${index}`, 'string']));
  const character = fc.constantFrom('a', 'b', ' ', ',', '"', '""', '","', ',"', '",', 'é', '😀', '\t');

  test('the fields that another program wrote are read back', () => {
    const field = fc.string({ unit: character, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 6 }), fc.boolean(), (fields, quoteAll) => {
        const written = fields.map((text) =>
          quoteAll || /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text,
        );
        const record = csv({ columns: columnsOf(fields.length) }).decodeLine(written.join(','));
        expect(Object.values(record as object)).toEqual(fields);
      }),
      { numRuns: 1_000 },
    );
  });

  test('any line is read alike or refused alike', () => {
    fc.assert(
      fc.property(fc.string({ unit: character, minLength: 1, maxLength: 20 }), (line) => {
        let expected: string[] | undefined;
        try {
          expected = (parse(line) as string[][])[0];
        } catch {
          expected = undefined;
        }
        const read = (): unknown =>
          csv({ columns: columnsOf(expected?.length ?? 1 + line.split(',').length) }).decodeLine(line);
        if (expected === undefined) expect(read).toThrow(/./);
        else expect(Object.values(read() as object)).toEqual(expected);
      }),
      { numRuns: 3_000 },
    );
  });
});

test('fails with nothing but an Error with a message', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(',', '"', '1', 'e', '-', 'a', ' ', '\u0000', '\ud800') }), (line) => {
      try {
        requests.decodeLine(line);
      } catch (error) {
        expect((error as Error).message).toMatch(
          /^(the line has \d+ fields?; |column (ip|bytes|ts) \(field \d, character \d+\))/,
        );
      }
    }),
    { numRuns: 3_000 },
  );
});

describe('a column that may be empty', () => {
  const optional = csv({ columns: { ip: 'string?', bytes: 'number?', at: 'timestamp?' } });

  test('is left out of the record', () => {
    expect(optional.decodeLine(',,')).toEqual({});
    expect(optional.decodeLine('a,1,1970-01-01T00:00:01Z')).toEqual({ ip: 'a', bytes: 1, at: 1_000 });
  });

  test('is of its type when it is not', () => {
    expect(() => optional.decodeLine('a, ,')).toThrow('column bytes (field 2, character 3) is " ", not a number?');
  });
});

test.each([
  ['2026-11-21T10:00:00Z', Date.UTC(2026, 10, 21, 10)],
  ['2026-11-21 10:00:00.1239+01:30', Date.UTC(2026, 10, 21, 8, 30, 0, 123)],
  ['2026-11-21T10:00:00', undefined],
  ['2026-11-21', undefined],
  ['2026-11-21T10:00:00Z ', undefined],
  ['2026-02-30T10:00:00Z', undefined],
])('the time %j is %j', (text, expected) => {
  const times = csv({ columns: { at: 'timestamp' } });
  if (expected === undefined) expect(() => times.decodeLine(text)).toThrow('not a timestamp');
  else expect(times.decodeLine(text)).toEqual({ at: expected });
});

describe('a header that is asked for', () => {
  const table = csv({ columns: { ip: 'string', bytes: 'number' }, header: true });

  test('says in which order the columns stand, and which are ignored', () => {
    const begun = table.begin?.();
    expect(begun?.decodeLine('bytes,"user, agent",ip')).toBeUndefined();
    expect(begun?.decodeLine('5,x,a')).toEqual({ bytes: 5, ip: 'a' });
    expect(begun?.standAlone('5,x,a')).toBe('bytes,"user, agent",ip\n5,x,a');
    expect(() => begun?.decodeLine('x,x,a')).toThrow('column bytes (field 1, character 1) is "x", not a number');
  });

  test.each([
    ['a,5', 'column ip is in it not at all; expected a header with ip,bytes'],
    ['ip,bytes,ip', 'column ip is in it 2 times'],
  ])('and is not there leaves every line rejected: %j', (line, message) => {
    const begun = table.begin?.();
    for (let times = 0; times < 2; times += 1) expect(() => begun?.decodeLine(line)).toThrow(message);
  });
});
