import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { json } from '#shared/pipeline/decoders/json.ts';

describe('json', () => {
  test('reads one value a line', () => {
    expect(json().decodeLine(' {"ip":"1.2.3.4","bytes":3} ')).toEqual({ ip: '1.2.3.4', bytes: 3 });
  });

  test.each(['{"a":1}', '  {"a":1}', '[1]'])('recognises %s', (line) => {
    expect(json().recognises(line)).toBe(true);
  });

  test.each(['ip,bytes,ts', '1.2.3.4 - - [17/May/2015', ''])('does not recognise %s', (line) => {
    expect(json().recognises(line)).toBe(false);
  });

  test('says that and where a line is not JSON', () => {
    expect(() => json().decodeLine('{"a":1}}')).toThrow(/^the line is not JSON: .+ position 7/);
  });

  test('fails with nothing but an Error with a message', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '1', '\\', 'u', ' ', '\ud800') }),
        ),
        (line) => {
          try {
            json().decodeLine(line);
          } catch (error) {
            expect((error as Error).message).toMatch(/^the line is not JSON: ./);
          }
        },
      ),
    );
  });
});
