import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasCode } from '#shared/schemas/error.ts';
import { sqlPipeline } from '#shared/sql/index.ts';
import { fuzzTimeoutMs } from '../fuzz.ts';
import { sqlTexts } from './texts.ts';

const fuzzed = { numRuns: Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 4_000) };

test('any text gives a pipeline, or an error that says where', { timeout: fuzzTimeoutMs }, () => {
  let planned = 0;
  fc.assert(
    fc.property(sqlTexts, (text) => {
      try {
        sqlPipeline(text, { id: 'query' });
        planned += 1;
      } catch (error) {
        if (!hasCode(error, 'SQL_INVALID')) throw error;
        expect((error as Error).message).toMatch(/^SQL_INVALID: line \d+, column \d+: .+\n {2}.*\n {2} *\^+$/s);
      }
    }),
    fuzzed,
  );
  expect(planned).toBeGreaterThan(0);
});
