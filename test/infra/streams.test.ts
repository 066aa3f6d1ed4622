import { Duration } from 'aws-cdk-lib';
import { describe, expect, test } from 'vitest';
import { everySink, fargateOnly, lambdaOnly, propertiesOf, templateOf, twoSources } from './synthesized.ts';

const streamType = 'AWS::Kinesis::Stream';

describe('streams', () => {
  test('there is one raw stream per source and one exchange stream', () => {
    expect(Object.keys(templateOf(lambdaOnly).findResources(streamType))).toHaveLength(2);
    expect(Object.keys(templateOf(twoSources).findResources(streamType))).toHaveLength(3);
  });

  test('every stream is encrypted, provisioned and keeps its records for 72 hours', () => {
    for (const stream of propertiesOf(templateOf(twoSources), streamType)) {
      expect(stream).toMatchObject({
        StreamEncryption: { EncryptionType: 'KMS', KeyId: 'alias/aws/kinesis' },
        StreamModeDetails: { StreamMode: 'PROVISIONED' },
        RetentionPeriodHours: 72,
      });
    }
  });

  test('a raw stream has two shards, and the exchange one for four of them', () => {
    const shards = (rawShards?: number) =>
      propertiesOf(templateOf(twoSources, rawShards === undefined ? {} : { rawShards }), streamType).map(
        (stream) => stream['ShardCount'],
      );
    expect(shards()).toEqual([2, 2, 1]);
    expect(shards(4)).toEqual([4, 4, 2]);
  });

  test('the exchange never has more shards than the plan has slots', () => {
    const shards = propertiesOf(templateOf(twoSources, { rawShards: 50 }), streamType).map(
      (stream) => stream['ShardCount'],
    );
    expect(shards).toEqual([50, 50, 4]);
    expect(() => templateOf(twoSources, { exchangeShards: 5 })).toThrow(
      'SETTING_INVALID: two-sources: exchangeShards is 5; it must be a whole number from 1 to 4.',
    );
  });

  test('a raw stream has no more shards than Kinesis can give it', () => {
    expect(() => templateOf(twoSources, { rawShards: 10_001 })).toThrow(
      'SETTING_INVALID: two-sources: rawShards is 10001; it must be a whole number from 1 to 10000.',
    );
  });

  test('a retention under 72 hours is refused', () => {
    expect(() => templateOf(fargateOnly, { retention: Duration.hours(71) })).toThrow('SETTING_INVALID');
    expect(() => templateOf(fargateOnly, { retention: Duration.days(3) })).not.toThrow();
  });

  test('streams and tables outlive the stack', () => {
    const template = templateOf(lambdaOnly);
    for (const type of [streamType, 'AWS::DynamoDB::Table', 'AWS::SQS::Queue']) {
      template.allResources(type, { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
    }
  });
});

test('a view that goes to a stream has one of its own, and the worker knows its name and that of the bucket of the files', () => {
  const template = templateOf(everySink);
  expect(Object.keys(template.findResources(streamType))).toHaveLength(4);
  const sinks = JSON.stringify(propertiesOf(template, 'AWS::ECS::TaskDefinition'));
  expect(sinks).toMatch(/SINKS.*archiveBucket.*PipelineWorkerArchive.*streams.*visits.*PipelineRowsvisits/);
});
