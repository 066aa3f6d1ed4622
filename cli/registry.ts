import { existsSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pipelines } from '#pipelines/index.ts';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { findPipeline } from '#shared/runtime/settings.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { kebab, sqlPipeline } from '#shared/sql/index.ts';

/** The pipeline that a command names: a registry id, or the path of a module that exports one pipeline. */
export async function loadPipeline(name: string): Promise<Pipeline> {
  // `nexmark/q5` is a pipeline in a folder of the registry, unless there is such a file.
  const isPath = isModule.test(name) || (name.includes('/') && !/^[a-z]/.test(name));
  if (!isPath) return findPipeline(pipelines, name);
  const path = resolve(name);
  if (!existsSync(path)) {
    throw new MillraceError(
      'PIPELINE_UNKNOWN',
      `there is no file ${path}. Name a pipeline of pipelines/index.ts, or the path of a module that exports one.`,
    );
  }
  if (!isModule.test(path)) {
    throw new MillraceError(
      'PIPELINE_UNKNOWN',
      `${path} is no pipeline: name a file that ends in .ts, .js or .sql, or a pipeline of pipelines/index.ts.`,
    );
  }
  if (path.endsWith('.sql'))
    return sqlPipeline(readFileSync(path, 'utf8'), { id: kebab(basename(path, '.sql')), path: name });
  const module = (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  const found = Object.values(module).filter(isPipeline);
  const [only] = found;
  if (found.length === 1 && only !== undefined) return only;
  throw new MillraceError(
    'PIPELINE_UNKNOWN',
    found.length === 0
      ? `${path} exports no pipeline; it must export what pipeline(...) returns.`
      : `${path} exports ${found.length} pipelines (${found.map((pipeline) => pipeline.id).join(', ')}); leave one.`,
  );
}

const isModule = /\.(sql|[cm]?[jt]s)$/;

function isPipeline(value: unknown): value is Pipeline {
  return typeof value === 'object' && value !== null && 'plan' in value && 'bindings' in value && 'planHash' in value;
}
