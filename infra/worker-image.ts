import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { requireBanner, root } from './source.ts';

/** Bundles the worker beside its Dockerfile and gives the folder, which is the image's build context. Needs no Docker. */
export function bundleWorker(): string {
  const folder = join(root, 'build/worker');
  mkdirSync(folder, { recursive: true });
  const { outputFiles } = buildSync({
    absWorkingDir: root,
    entryPoints: [join(root, 'worker/main.ts')],
    outfile: join(folder, 'main.mjs'),
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    mainFields: ['module', 'main'],
    minify: true,
    keepNames: true,
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
    banner: { js: requireBanner },
  });
  for (const file of outputFiles) replace(file.path, file.contents);
  copyFileSync(join(root, 'worker/Dockerfile'), join(folder, 'Dockerfile'));
  return folder;
}

/** Another synth may be reading the folder: a file is whole at any time, and is left alone when nothing changed. */
function replace(path: string, contents: Uint8Array): void {
  if (existsSync(path) && readFileSync(path).equals(contents)) return;
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, contents);
  renameSync(draft, path);
}
