import { RemovalPolicy } from 'aws-cdk-lib';
import { describe, expect, test } from 'vitest';
import { deadLetterBytesMax } from '#shared/schemas/dead-letter.ts';
import { fargateOnly, lambdaOnly, propertiesOf, templateOf } from './synthesized.ts';

const tableType = 'AWS::DynamoDB::Table';

describe('tables', () => {
  const template = templateOf(lambdaOnly);
  const tables = propertiesOf(template, tableType);

  test('state and results are keyed by pk and sk, and items expire by ttl', () => {
    expect(tables).toHaveLength(2);
    for (const table of tables) {
      expect(table).toMatchObject({
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
        TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
        BillingMode: 'PAY_PER_REQUEST',
      });
    }
  });

  test('every table can be restored to a point in time and is encrypted with a KMS key', () => {
    for (const table of tables) {
      expect(table).toMatchObject({
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        SSESpecification: { SSEEnabled: true },
      });
    }
  });

  test('tables are protected from deletion, unless the stack is meant to leave nothing behind', () => {
    for (const table of tables) expect(table['DeletionProtectionEnabled']).toBe(true);
    const destroyed = templateOf(lambdaOnly, { removalPolicy: RemovalPolicy.DESTROY });
    for (const table of propertiesOf(destroyed, tableType)) expect(table['DeletionProtectionEnabled']).toBe(false);
    destroyed.allResources(tableType, { DeletionPolicy: 'Delete' });
  });

  test('rows can be found by window', () => {
    const indexes = tables.flatMap((table) => table['GlobalSecondaryIndexes'] ?? []);
    expect(indexes).toEqual([
      {
        IndexName: 'by-window',
        KeySchema: [
          { AttributeName: 'window', KeyType: 'HASH' },
          { AttributeName: 'windowKey', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'ALL' },
      },
    ]);
  });
});

describe('dead letters', () => {
  test('letters are kept for 14 days, encrypted', () => {
    const [queue] = propertiesOf(templateOf(lambdaOnly), 'AWS::SQS::Queue');
    expect(queue).toMatchObject({ MessageRetentionPeriod: 14 * 86_400, SqsManagedSseEnabled: true });
  });

  test('the queue takes the largest letter that is sent to it', () => {
    const [queue] = propertiesOf(templateOf(lambdaOnly), 'AWS::SQS::Queue');
    expect(queue).toMatchObject({ MaximumMessageSize: deadLetterBytesMax });
  });

  test('requests without TLS are refused', () => {
    expect(deniedWithoutTls(templateOf(lambdaOnly), 'AWS::SQS::QueuePolicy')).toBe(true);
  });
});

describe('snapshots', () => {
  const template = templateOf(fargateOnly);

  test('the bucket is private, encrypted, versioned, and takes TLS only', () => {
    const [bucket] = propertiesOf(template, 'AWS::S3::Bucket');
    expect(bucket).toMatchObject({
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
      VersioningConfiguration: { Status: 'Enabled' },
    });
    expect(deniedWithoutTls(template, 'AWS::S3::BucketPolicy')).toBe(true);
  });

  test('what was replaced or never finished is cleared away', () => {
    const [bucket] = propertiesOf(template, 'AWS::S3::Bucket');
    expect(bucket).toMatchObject({
      LifecycleConfiguration: {
        Rules: [
          {
            Status: 'Enabled',
            NoncurrentVersionExpiration: { NoncurrentDays: 4 },
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
          },
        ],
      },
    });
  });

  test('a pipeline without a worker has no bucket', () => {
    templateOf(lambdaOnly).resourceCountIs('AWS::S3::Bucket', 0);
  });
});

function deniedWithoutTls(template: ReturnType<typeof templateOf>, type: string): boolean {
  return propertiesOf(template, type).some((properties) => {
    const { Statement } = properties['PolicyDocument'] as { Statement: readonly Record<string, unknown>[] };
    return Statement.some(
      (statement) =>
        statement['Effect'] === 'Deny' &&
        JSON.stringify(statement['Condition']) === JSON.stringify({ Bool: { 'aws:SecureTransport': 'false' } }),
    );
  });
}
