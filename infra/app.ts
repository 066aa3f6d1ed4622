import { App, RemovalPolicy } from 'aws-cdk-lib';
import { pipelines } from '#pipelines/index.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import { PipelineStack } from './pipeline-stack.ts';

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
for (const pipeline of picked) new PipelineStack(app, { pipeline, removalPolicy });
app.synth();
