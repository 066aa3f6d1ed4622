import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipelines } from '#pipelines/index.ts';
import { findPipeline } from '#shared/runtime/settings.ts';
import type { StreamPipelineProps } from './props.ts';
import { synthesize } from './synth.ts';

// `node infra/assemble.ts PIPELINE OUTDIR [PROPS [DROPPED]]` makes a pipeline's assembly, bundles included, for the embedded AWS, and writes
// OUTDIR/stack.json. A process of its own: the CDK is large, and is not needed any more once the template is there.
const [id = '', outdir = '', props = '{}', dropped = '[]'] = process.argv.slice(2);
const { stackName, template, codeDirectories } = synthesize({
  pipeline: { ...findPipeline(pipelines, id), dropped: JSON.parse(dropped) as readonly string[] },
  outdir,
  bundle: true,
  props: JSON.parse(props) as Omit<StreamPipelineProps, 'pipeline'>,
});
writeFileSync(
  join(outdir, 'stack.json'),
  JSON.stringify({ stackName, template, codeDirectories: Object.fromEntries(codeDirectories) }),
);
