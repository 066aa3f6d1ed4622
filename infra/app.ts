import './refusals.ts';
import { join } from 'node:path';
import { App, RemovalPolicy } from 'aws-cdk-lib';
import { pipelines } from '#pipelines/index.ts';
import { readContractFile, settleContract, writeContractFile } from '#shared/runtime/contract-file.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { PipelineStack } from './pipeline-stack.ts';
import { root } from './root.ts';

// One stack per pipeline. `cdk deploy -c pipeline=traffic` picks one; `-c removal=destroy` leaves nothing behind on `cdk destroy`.
const app = new App();
const wanted: unknown = app.node.tryGetContext('pipeline');
const picked = pipelines.filter(({ id }) => wanted === undefined || id === wanted);
if (picked.length === 0) {
  const known = pipelines.map(({ id }) => id).join(', ');
  throw new MillraceError(
    'PIPELINE_UNKNOWN',
    `there is no pipeline ${String(wanted)} in pipelines/index.ts; there are ${known}.`,
  );
}
const removal: unknown = app.node.tryGetContext('removal');
if (removal !== undefined && removal !== 'retain' && removal !== 'destroy') {
  throw new MillraceError('SETTING_INVALID', `removal is ${String(removal)}; it must be retain or destroy.`);
}
const removalPolicy = removal === 'destroy' ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN;
for (const pipeline of picked) {
  // The contract of what is deployed lies beside the pipeline, to be committed with it.
  const path = join(root, 'pipelines', 'contracts', `${pipeline.id}.json`);
  const settled = settleContract(pipeline, readContractFile(path), {
    dropState: listOf('drop-state'),
    migrate: isSet('migrate'),
  });
  for (const { kind, what, advice } of settled.differences)
    console.error(`${pipeline.id}: ${kind}: ${what}. ${advice}`);
  new PipelineStack(app, { pipeline: settled.pipeline, removalPolicy });
  writeContractFile(path, settled.file);
}
app.synth();

/** `-c drop-state=by-ip,visits` allows the loss of their state. */
function listOf(name: string): readonly string[] {
  const value: unknown = app.node.tryGetContext(name);
  return value === undefined ? [] : String(value).split(',');
}

/** `-c migrate=true`: the state is moved by a savepoint, and hosts stand still until it is. */
function isSet(name: string): boolean {
  return String(app.node.tryGetContext(name)) === 'true';
}
