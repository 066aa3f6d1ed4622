import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as language from '#shared/pipeline/index.ts';
import * as sql from '#shared/sql/index.ts';
import * as testing from '#shared/testing/index.ts';
import { readingSchema } from '../shared/readings.ts';
import { fencesOf } from './page.ts';

// A newcomer finds every construct in the documentation, in an example that is run. What there is to find is asked of the code itself: the
// values that the language exports (types are no values), and the methods of what they give.

const folder = 'docs/language';
const code = readdirSync(folder)
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) => fencesOf(readFileSync(join(folder, name), 'utf8')))
  .filter((fence) => fence.language === 'ts')
  // To import a name is not to show what it is for.
  .map((fence) => fence.text.replace(/^import\b[^;]*;/gm, ''))
  .join('\n');

function missing(names: readonly string[], pattern: (name: string) => RegExp): readonly string[] {
  return names.filter((name) => !pattern(name).test(code)).sort();
}

test('every value that the language exports has an example', () => {
  expect(missing(Object.keys(language), (name) => new RegExp(`(?<![.\\w])${name}\\b`))).toEqual([]);
});

test('every way to write SQL in TypeScript has an example', () => {
  const ways = Object.keys(sql).filter((name) => name.startsWith('sql'));
  expect(ways.length).toBeGreaterThan(2);
  expect(missing(ways, (name) => new RegExp(`(?<![.\\w])${name}\\b`))).toEqual([]);
});

test('every value that the test kit exports has an example', () => {
  expect(missing(Object.keys(testing), (name) => new RegExp(`(?<![.\\w])${name}\\b`))).toEqual([]);
});

/** Callable names of what a stage offers. */
function methodsOf(...stages: readonly object[]): readonly string[] {
  return [
    ...new Set(
      stages.flatMap((stage) =>
        Object.entries(stage)
          .filter(([, value]) => typeof value === 'function')
          .map(([name]) => name),
      ),
    ),
  ];
}

test('every method of a stage has an example', () => {
  const { count, milliseconds, session, stream, tumbling } = language;
  const allowedLateness = milliseconds(0);
  const source = stream('readings', {
    schema: readingSchema,
    timestamp: (reading) => reading.at,
    outOfOrderness: milliseconds(0),
  });
  const keyed = source.keyBy((reading) => ({ key: reading.key }));
  const window = keyed.window(tumbling(milliseconds(1)), { allowedLateness, emit: 'on-close' });
  const windowed = window.aggregate('windowed', { n: count() });
  const joined = keyed.join(keyed, { within: [milliseconds(0), milliseconds(1)], allowedLateness });
  const selected = joined.select('joined', { left: { at: (reading) => reading.at }, right: {} });
  const table = keyed.joinTable(keyed, { allowedLateness });
  const visits = keyed
    .window(session({ gap: milliseconds(1) }), { allowedLateness })
    .aggregate('visits', { n: count() });
  const top = windowed.top('top', 1, { by: 'n' });
  const running = keyed.aggregate('running', { n: count() });
  const methods = methodsOf(source, keyed, window, windowed, visits, joined, selected, table, top, running);
  expect(methods).toContain('keyBy');
  expect(missing(methods, (name) => new RegExp(`\\.${name}\\(`))).toEqual([]);
});
