import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Stack } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';
import { buildSync } from 'esbuild';
import { sqlFiles } from '#shared/runtime/sql-files.ts';
import type { HostName } from '#shared/schemas/settings.ts';
import { root } from './root.ts';

/** Where each host is written, and where its bundle goes, below `build/`. */
const hosts = {
  preprocess: { source: 'functions/preprocess.ts', bundle: 'preprocess/index' },
  aggregate: { source: 'functions/aggregate.ts', bundle: 'aggregate/index' },
  read: { source: 'functions/read.ts', bundle: 'read/index' },
  tick: { source: 'functions/tick.ts', bundle: 'tick/index' },
  worker: { source: 'worker/main.ts', bundle: 'worker/main' },
} as const satisfies Readonly<Record<HostName, { readonly source: string; readonly bundle: string }>>;

/** Apps whose hosts are bundled. */
const bundled = new WeakSet<IConstruct>();

/**
 * The folder with a host's code: `index.mjs` of a function, `main.mjs` and `Dockerfile` of the worker. Everything is bundled
 * at once, when an app first asks. Where bundling is switched off the sources stand in for it, and cannot be run.
 */
export function codeFolder(scope: IConstruct, host: HostName): string {
  if (!Stack.of(scope).bundlingRequired) return dirname(join(root, hosts[host].source));
  if (!bundled.has(scope.node.root)) bundleHosts();
  bundled.add(scope.node.root);
  return dirname(join(root, 'build', hosts[host].bundle));
}

function bundleHosts(): void {
  const { outputFiles } = buildSync({
    absWorkingDir: root,
    entryPoints: Object.values(hosts).map(({ source, bundle }) => ({ in: source, out: bundle })),
    outdir: 'build',
    outExtension: { '.js': '.mjs' },
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // Without these it takes CommonJS builds, which are larger. The SDK comes along: what was tested is what runs.
    mainFields: ['module', 'main'],
    // Some CommonJS packages call `require`, which an ECMAScript module has not by itself.
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
    minify: true,
    keepNames: true,
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
    define: { MILLRACE_SQL_FILES: JSON.stringify(sqlFiles()) },
  });
  for (const { path, contents } of outputFiles) replace(path, contents);
  copyFileSync(join(root, 'worker/Dockerfile'), join(root, 'build/worker/Dockerfile'));
}

/** Another synth may be reading the folder: a file is whole at any time, and is left alone when nothing changed. */
function replace(path: string, contents: Uint8Array): void {
  if (existsSync(path) && readFileSync(path).equals(contents)) return;
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${dirname(path)}.${process.pid}`;
  writeFileSync(draft, contents);
  renameSync(draft, path);
}
