import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { PipelineStack } from './pipeline-stack.ts';
import type { StreamPipelineProps } from './props.ts';
import { root } from './root.ts';

export interface Template {
  readonly Resources: Readonly<Record<string, TemplateResource>>;
  readonly Outputs: Readonly<Record<string, { readonly Value: unknown }>>;
}

export interface TemplateResource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

export interface Synthesized {
  readonly stackName: string;
  readonly template: Template;
  /** The cloud assembly. */
  readonly directory: string;
  /** Where the code of a function or a task definition is, by its logical id: `index.mjs`, or the worker's `main.mjs`. */
  readonly codeDirectories: ReadonlyMap<string, string>;
}

/**
 * Makes a pipeline's template in this process, without an account, a network or Docker; with the resources that `cdk synth` makes.
 * Without `bundle` no code is bundled, which is for tests of the template alone.
 */
export function synthesize(request: {
  readonly pipeline: Pipeline;
  readonly outdir: string;
  readonly bundle: boolean;
  readonly props?: Omit<StreamPipelineProps, 'pipeline'>;
}): Synthesized {
  const app = createApp(request);
  const stack = new PipelineStack(app, { ...request.props, pipeline: request.pipeline });
  const assembly = app.synth();
  const template = assembly.getStackByName(stack.stackName).template as Template;
  return {
    stackName: stack.stackName,
    template,
    directory: assembly.directory,
    codeDirectories: codeDirectoriesOf(template, assembly.directory),
  };
}

/** An app with the feature flags of cdk.json, which decide about the template as much as the code does. */
export function createApp({ outdir, bundle }: { readonly outdir: string; readonly bundle: boolean }): App {
  const { context } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> };
  return new App({
    outdir,
    context: { ...context, ...(bundle ? {} : { 'aws:cdk:bundling-stacks': [] }) },
  });
}

/** Assets are named by a hash: the key of a function's archive, and the tag of a worker's image, lead to their folders. */
function codeDirectoriesOf(template: Template, directory: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [id, { Type: type, Properties: properties }] of Object.entries(template.Resources)) {
    if (type !== 'AWS::Lambda::Function' && type !== 'AWS::ECS::TaskDefinition') continue;
    const code = type === 'AWS::Lambda::Function' ? properties['Code'] : properties['ContainerDefinitions'];
    const hash = /\b[0-9a-f]{64}\b/.exec(JSON.stringify(code))?.[0];
    if (hash !== undefined) found.set(id, join(directory, `asset.${hash}`));
  }
  return found;
}
