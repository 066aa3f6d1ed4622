import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { kebab, sqlPipeline } from '#shared/sql/index.ts';

/** What bundling puts in the place of the name: the texts of the files by their paths, since a bundle has no folder beside it. */
declare const MILLRACE_SQL_FILES: Readonly<Record<string, string>> | undefined;

/**
 * The pipelines of `pipelines/*.sql`, each in a file of its own that names it: `top-pages.sql` is the pipeline `top-pages`, and so is the view
 * of its query; one in a folder has the folder's name before its own. A file that is wrong is `SQL_INVALID`, with its path.
 */
export function sqlPipelines(): readonly Pipeline[] {
  return Object.entries(sqlFiles())
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, text]) => {
      const parts = path.replace(/\.sql$/, '').split('/');
      return sqlPipeline(text, {
        id: kebab(parts.join('-')),
        view: kebab(parts.at(-1) ?? path),
        path: `pipelines/${path}`,
      });
    });
}

/** The texts of the files below `pipelines/` that end in .sql, by their paths there. */
export function sqlFiles(): Readonly<Record<string, string>> {
  if (typeof MILLRACE_SQL_FILES !== 'undefined') return MILLRACE_SQL_FILES;
  const folder = new URL('../../pipelines/', import.meta.url).pathname;
  if (!existsSync(folder)) return {};
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.sql'));
  return Object.fromEntries(
    paths.map((path) => [path.replaceAll('\\', '/'), readFileSync(join(folder, path), 'utf8')]),
  );
}
