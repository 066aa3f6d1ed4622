import { Stack } from 'aws-cdk-lib';
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import type { ICluster } from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { IStream, IStreamConsumer } from 'aws-cdk-lib/aws-kinesis';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';

/** What a host may do, said action by action: no wildcards, and nothing that a host does not do. */
export const permit = {
  readStream: (role: Role, stream: IStream) =>
    allow(role, stream.streamArn, ['kinesis:GetRecords', 'kinesis:GetShardIterator', 'kinesis:ListShards']),
  /** What reading by fan-out takes beside listing the shards. */
  subscribe: (role: Role, consumer: IStreamConsumer) => {
    allow(role, consumer.stream.streamArn, [
      'kinesis:DescribeStreamConsumer',
      'kinesis:DescribeStreamSummary',
      'kinesis:RegisterStreamConsumer',
    ]);
    allow(role, consumer.streamConsumerArn, ['kinesis:DescribeStreamConsumer', 'kinesis:SubscribeToShard']);
  },
  /** What AWS asks of the role of a function for which it polls the stream. */
  pollStream: (role: Role, stream: IStream) =>
    allow(role, stream.streamArn, [
      'kinesis:DescribeStream',
      'kinesis:DescribeStreamSummary',
      'kinesis:GetRecords',
      'kinesis:GetShardIterator',
      'kinesis:ListShards',
      'kinesis:SubscribeToShard',
    ]),
  putRecords: (role: Role, stream: IStream) => allow(role, stream.streamArn, ['kinesis:PutRecords']),
  /** Nothing is deleted from the state table but by TTL (rule 12); batches of writes are for late marks, which never change. */
  keepState: (role: Role, state: ITable) =>
    allow(role, state.tableArn, [
      'dynamodb:BatchGetItem',
      'dynamodb:BatchWriteItem',
      'dynamodb:GetItem',
      'dynamodb:PutItem',
      'dynamodb:Query',
    ]),
  /** What a worker takes away: itself when it leaves, and the leases of shards that the stream has forgotten. */
  shareLeases: (role: Role, state: ITable, pipeline: string) =>
    role.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ['dynamodb:DeleteItem'],
        resources: [state.tableArn],
        conditions: {
          'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [`${pipeline}#leases`, `${pipeline}#members`] },
        },
      }),
    ),
  /** A table that is not of this stack, by its name. */
  lookUp: (role: Role, table: string) =>
    allow(role, Stack.of(role).formatArn({ service: 'dynamodb', resource: 'table', resourceName: table }), [
      'dynamodb:BatchGetItem',
    ]),
  readState: (role: Role, state: ITable) =>
    allow(role, state.tableArn, ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:Query']),
  /** Only conditional writes, so no batches of them: a row never goes backwards (rule 14). */
  writeRows: (role: Role, results: ITable) =>
    allow(role, results.tableArn, ['dynamodb:PutItem', 'dynamodb:UpdateItem']),
  readRows: (role: Role, results: ITable, index: string) => {
    allow(role, results.tableArn, ['dynamodb:Query']);
    allow(role, `${results.tableArn}/index/${index}`, ['dynamodb:Query']);
  },
  sendDeadLetters: (role: Role, queue: IQueue) => allow(role, queue.queueArn, ['sqs:SendMessage']),
  /** What the ECS agent asks of the task's role, on whose behalf it calls ECS. */
  protectTasks: (role: Role, cluster: ICluster) =>
    allow(
      role,
      Stack.of(role).formatArn({ service: 'ecs', resource: 'task', resourceName: `${cluster.clusterName}/*` }),
      ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'],
    ),
  keepSnapshots: (role: Role, bucket: IBucket) => {
    allow(role, bucket.bucketArn, ['s3:ListBucket']);
    allow(role, bucket.arnForObjects('*'), ['s3:DeleteObject', 's3:GetObject', 's3:PutObject']);
  },
  /** Files are written over and never read, listed or removed. */
  writeFiles: (role: Role, bucket: IBucket) => allow(role, bucket.arnForObjects('*'), ['s3:PutObject']),
} as const;

function allow(role: Role, resource: string, actions: readonly string[]): void {
  role.addToPrincipalPolicy(new PolicyStatement({ actions: [...actions], resources: [resource] }));
}
