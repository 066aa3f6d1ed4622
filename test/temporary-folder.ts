import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** All temporary folders of a run of the tests lie in one, which goes with it. */
export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-test-'));
  process.env['TMPDIR'] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
