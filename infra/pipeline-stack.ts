import { type App, CfnOutput, Stack } from 'aws-cdk-lib';
import { contractOf } from '#shared/pipeline/contract.ts';
import type { StreamPipelineProps } from './props.ts';
import { StreamPipeline } from './stream-pipeline.ts';

/** The stack of one pipeline, whose outputs say where its data goes in and its results come out. Fits any account and region. */
export class PipelineStack extends Stack {
  readonly pipeline: StreamPipeline;

  constructor(app: App, props: StreamPipelineProps) {
    super(app, stackNameOf(props.pipeline.id), { description: `Millrace pipeline ${props.pipeline.id}` });
    this.pipeline = new StreamPipeline(this, 'Pipeline', props);
    // What was deployed can be told from the template alone.
    this.addMetadata('Millrace', { contract: contractOf(props.pipeline.plan), dropped: props.pipeline.dropped ?? [] });
    const { streams, tables, deadLetters, functions, worker } = this.pipeline;
    for (const [source, stream] of streams.raw) {
      this.#output(`RawStream${pascalCase(source)}`, { name: stream.streamName, arn: stream.streamArn });
    }
    this.#output('ExchangeStream', { name: streams.exchange.streamName, arn: streams.exchange.streamArn });
    this.#output('StateTable', { name: tables.state.tableName, arn: tables.state.tableArn });
    this.#output('ResultsTable', { name: tables.results.tableName, arn: tables.results.tableArn });
    new CfnOutput(this, 'DeadLetterQueueUrl', { value: deadLetters.queueUrl });
    new CfnOutput(this, 'ReadUrl', { value: functions.readUrl });
    if (worker !== undefined) new CfnOutput(this, 'SnapshotBucketName', { value: worker.snapshots.bucketName });
    if (worker?.archive !== undefined) new CfnOutput(this, 'ArchiveBucketName', { value: worker.archive.bucketName });
    for (const [view, stream] of streams.rows) {
      this.#output(`RowStream${pascalCase(view)}`, { name: stream.streamName, arn: stream.streamArn });
    }
  }

  #output(id: string, { name, arn }: { name: string; arn: string }): void {
    new CfnOutput(this, `${id}Name`, { value: name });
    new CfnOutput(this, `${id}Arn`, { value: arn });
  }
}

function stackNameOf(pipeline: string): string {
  return `millrace-${pipeline}`;
}

/** `access-log` becomes `AccessLog`: outputs are named with letters and digits only. */
function pascalCase(name: string): string {
  return name.replace(/(?:^|-)([a-z0-9]?)/g, (_, letter: string) => letter.toUpperCase());
}
