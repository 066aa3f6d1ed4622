import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, type IMetric, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Functions } from './functions.ts';
import type { Sizing } from './props.ts';
import type { Streams } from './streams.ts';
import type { Worker } from './worker.ts';

interface Watched {
  readonly sizing: Sizing;
  readonly streams: Streams;
  readonly functions: Functions;
  readonly deadLetters: Queue;
  readonly worker: Worker | undefined;
  readonly topic: ITopic | undefined;
}

const minute = Duration.minutes(1);

/** What somebody must look at. Every alarm is far from loss: whatever fails is tried again for as long as the streams keep it. */
export function createAlarms(parent: Construct, watched: Watched): readonly Alarm[] {
  const scope = new Construct(parent, 'Alarms');
  const { streams, functions, worker } = watched;
  const alarms = [
    ...[...streams.raw].map(([source, stream]) =>
      streamLag(scope, {
        id: `RawLag-${source}`,
        metric: stream.metricGetRecordsIteratorAgeMilliseconds(lag),
        watched,
      }),
    ),
    streamLag(scope, {
      id: 'ExchangeLag',
      metric: streams.exchange.metricGetRecordsIteratorAgeMilliseconds(lag),
      watched,
    }),
    ...[...functions.preprocess].flatMap(([source, handler]) => [
      functionLag(scope, { id: `PreprocessLag-${source}`, handler, watched }),
      ...functionFailures(scope, { id: `Preprocess-${source}`, handler }),
    ]),
    ...(functions.aggregate === undefined
      ? []
      : [
          functionLag(scope, { id: 'AggregateLag', handler: functions.aggregate, watched }),
          ...functionFailures(scope, { id: 'Aggregate', handler: functions.aggregate }),
        ]),
    ...functionFailures(scope, { id: 'Read', handler: functions.read }),
    ...functionFailures(scope, { id: 'Tick', handler: functions.tick }),
    deadLettersVisible(scope, watched.deadLetters),
    ...(worker === undefined ? [] : [workerStopped(scope, worker)]),
  ];
  if (watched.topic !== undefined) {
    const action = new SnsAction(watched.topic);
    for (const alarm of alarms) {
      alarm.addAlarmAction(action);
      alarm.addOkAction(action);
    }
  }
  return alarms;
}

const lag = { statistic: 'Maximum', period: minute } as const;

/**
 * The slowest reader of a stream, the worker included, as Kinesis measures it. Readers poll whether there is data or not, so
 * silence means that nobody reads: a switched off mapping and a reader that hangs are found as well.
 */
function streamLag(scope: Construct, { id, metric, watched }: { id: string; metric: Metric; watched: Watched }): Alarm {
  return new Alarm(scope, id, {
    alarmDescription: `A reader of the stream is more than ${watched.sizing.lagMax.toHumanString()} behind, or nobody reads it.`,
    metric,
    threshold: watched.sizing.lagMax.toMilliseconds(),
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    evaluationPeriods: 10,
    treatMissingData: TreatMissingData.BREACHING,
  });
}

/** The age of the last record of the batches that one function was given: it tells which reader of the stream is behind. */
function functionLag(scope: Construct, it: { id: string; handler: IFunction; watched: Watched }): Alarm {
  const { lagMax } = it.watched.sizing;
  return new Alarm(scope, it.id, {
    alarmDescription: `The function is more than ${lagMax.toHumanString()} behind its stream.`,
    metric: it.handler.metric('IteratorAge', lag),
    threshold: lagMax.toMilliseconds(),
    comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
    evaluationPeriods: 5,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
}

/** A single failure is tried again and does no harm; those that go on do not heal. */
function functionFailures(scope: Construct, { id, handler }: { id: string; handler: IFunction }): readonly Alarm[] {
  const failing = (name: string, metric: IMetric, description: string): Alarm =>
    new Alarm(scope, `${id}${name}`, {
      alarmDescription: description,
      metric,
      threshold: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 5,
      datapointsToAlarm: 3,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  const sum = { statistic: 'Sum', period: minute } as const;
  return [
    failing(
      'Errors',
      handler.metricErrors(sum),
      'The function keeps failing. Its log says why; nothing is lost so far.',
    ),
    failing(
      'Throttles',
      handler.metricThrottles(sum),
      'The function is throttled. Raise the concurrency of the account.',
    ),
  ];
}

function deadLettersVisible(scope: Construct, queue: Queue): Alarm {
  return new Alarm(scope, 'DeadLetters', {
    alarmDescription:
      'Records were not counted: late, undecodable, invalid, or a callback threw. Each letter says why.',
    metric: queue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', period: Duration.minutes(5) }),
    threshold: 1,
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    evaluationPeriods: 1,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
}

function workerStopped(scope: Construct, { cluster, service }: Worker): Alarm {
  return new Alarm(scope, 'WorkerStopped', {
    alarmDescription:
      'No worker is running. Sessions and other long windows wait for it; its log and the events of its service say why.',
    metric: new Metric({
      namespace: 'ECS/ContainerInsights',
      metricName: 'RunningTaskCount',
      dimensionsMap: { ClusterName: cluster.clusterName, ServiceName: service.serviceName },
      statistic: 'Minimum',
      period: minute,
    }),
    threshold: 1,
    comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
    // A deployment leaves no gap; a single task that has died is missed until another one has pulled its image.
    evaluationPeriods: 10,
    treatMissingData: TreatMissingData.BREACHING,
  });
}
