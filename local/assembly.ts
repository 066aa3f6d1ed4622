import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { isDiskFull } from './folder.ts';
import type { TemplateResource } from './template.ts';

/** A synthesized stack: what `cdk deploy` would deploy. */
export interface Assembly {
  readonly stackName: string;
  readonly template: { readonly Resources: Readonly<Record<string, TemplateResource>> };
  /** Where the code of a function or a task definition is, by its logical id. */
  readonly codeDirectories: Readonly<Record<string, string>>;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** The props of the construct that a laptop may set. */
export interface AssemblyProps {
  readonly rawShards?: number;
  readonly exchangeShards?: number;
  readonly worker?: {
    readonly tasks?: number;
    readonly threads?: number;
    readonly leaseSeconds?: number;
    readonly drainSeconds?: number;
  };
}

/** Synthesizes a pipeline of the registry, bundles included, in a process of its own. */
export async function assemble(
  { id: pipeline, dropped = [] }: Pick<Pipeline, 'id' | 'dropped'>,
  outdir: string,
  props: AssemblyProps,
): Promise<Assembly> {
  const script = join(root, 'infra', 'assemble.ts');
  const child = spawn(process.execPath, [script, pipeline, outdir, JSON.stringify(props), JSON.stringify(dropped)], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [errors, code] = await Promise.all([
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]);
  if (isDiskFull(errors))
    throw new MillraceError(
      'DISK_FULL',
      `No space is left to write the stack of pipeline ${pipeline} to ${outdir}. Free some, or start in a folder on another disk.`,
    );
  if (code !== 0)
    throw new MillraceError(
      'TEMPLATE_UNSUPPORTED',
      `the stack of pipeline ${pipeline} could not be synthesized. The CDK said:\n${withoutStack(errors)}`,
    );
  return JSON.parse(readFileSync(join(outdir, 'stack.json'), 'utf8')) as Assembly;
}

/** What an uncaught error printed, from its message on and without its frames. */
function withoutStack(errors: string): string {
  const text = errors.slice(Math.max(0, errors.search(/^\w*Error: /m)));
  return text.slice(0, /\n\s+at /.exec(text)?.index).trim();
}
