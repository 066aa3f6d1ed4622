import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const port = 'shared/ports/telemetry.ts';

test('every metric that has a name is reported by a host', () => {
  const names = [...readFileSync(join(root, port), 'utf8').matchAll(/^ {2}\| ('\w+')/gm)].map(([, name = '']) => name);
  const sources = globSync('{shared,functions,worker}/**/*.ts', { cwd: root })
    .filter((path) => path !== port)
    .map((path) => readFileSync(join(root, path), 'utf8'))
    .join();
  expect(names).toContain("'drain_load'");
  expect(names.filter((name) => !sources.includes(name))).toEqual([]);
});
