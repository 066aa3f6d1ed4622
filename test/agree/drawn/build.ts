import * as z from 'zod';
import type { Pipeline, Source } from '#shared/pipeline/index.ts';
import * as language from '#shared/pipeline/index.ts';
import type { Drawn } from './drawing.ts';

export interface Built {
  readonly pipeline: Pipeline;
  readonly streams: Readonly<Record<string, Source<object, object>>>;
}

/** What the text makes. `views` names the outputs that the pipeline has; by default it has all. */
export function build(drawn: Drawn, views?: readonly string[]): Built {
  const streams = drawn.streams.map(({ name, variable }) => `${name}: ${variable}`).join(', ');
  const source = `'use strict';
const { ${Object.keys(language).join(', ')} } = language;
${bodyOf(drawn, views)}
return { pipeline: drawn, streams: { ${streams} } };`;
  return new Function('language', 'z', source)(language, z) as Built;
}

/** The pipeline as a file that `millrace run` takes. */
export function fileOf(drawn: Drawn, views?: readonly string[]): string {
  const body = bodyOf(drawn, views);
  const used = Object.keys(language).filter((name) => new RegExp(`\\b${name}\\(`).test(body));
  return `import * as z from 'zod';
import { ${used.join(', ')} } from '#shared/pipeline/index.ts';

${body.replace('const drawn =', 'export const drawn =')}`;
}

function bodyOf({ statements, outputs, options }: Drawn, views: readonly string[] | undefined): string {
  const chosen = outputs.filter(({ view }) => views === undefined || views.includes(view));
  return `${statements.join('\n')}
const drawn = pipeline('drawn', [
${chosen.map(({ text }) => `  ${text},`).join('\n')}
], ${options});`;
}
