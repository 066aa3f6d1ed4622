import type { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { stepsOf } from '#shared/pipeline/plan.ts';
import { lossesSetting } from '#shared/schemas/settings.ts';
import { createAlarms } from './alarms.ts';
import { createDeadLetters } from './dead-letters.ts';
import { createFunctions, type Functions } from './functions.ts';
import { type StreamPipelineProps, sizingOf } from './props.ts';
import { createStreams, type Streams } from './streams.ts';
import { createTables, type Tables } from './tables.ts';
import { createWorker, type Worker } from './worker.ts';

/**
 * A pipeline on AWS: what its plan needs, and nothing else.
 *
 * `new StreamPipeline(stack, 'Traffic', { pipeline: traffic });`
 */
export class StreamPipeline extends Construct {
  readonly streams: Streams;
  readonly tables: Tables;
  readonly deadLetters: Queue;
  readonly functions: Functions;
  /** Only when the plan has a step placed on Fargate. */
  readonly worker: Worker | undefined;
  readonly alarms: readonly Alarm[];

  constructor(scope: Construct, id: string, props: StreamPipelineProps) {
    super(scope, id);
    const { plan, planHash } = props.pipeline;
    const sizing = sizingOf(props);
    this.streams = createStreams(this, { plan, sizing });
    this.tables = createTables(this, { sizing });
    this.deadLetters = createDeadLetters(this, { sizing });
    const settings = {
      pipeline: plan.id,
      planHash,
      droppedState: lossesSetting(props.pipeline.dropped ?? []),
      exchangeStream: this.streams.exchange.streamName,
      stateTable: this.tables.state.tableName,
      resultsTable: this.tables.results.tableName,
      deadLetterQueueUrl: this.deadLetters.queueUrl,
      logLevel: sizing.logLevel,
    };
    const neighbours = {
      plan,
      sizing,
      settings,
      streams: this.streams,
      tables: this.tables,
      deadLetters: this.deadLetters,
    };
    this.functions = createFunctions(this, neighbours);
    this.worker = stepsOf(plan, 'fargate').length > 0 ? createWorker(this, neighbours) : undefined;
    this.alarms = createAlarms(this, {
      sizing,
      streams: this.streams,
      functions: this.functions,
      deadLetters: this.deadLetters,
      worker: this.worker,
      topic: props.alarmTopic,
    });
  }
}
