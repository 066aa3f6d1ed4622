import { type CfnElement, Duration, Stack, Validations } from 'aws-cdk-lib';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Sizing } from './props.ts';

/** The worker's snapshots. A checkpoint in the state table names the one that counts. */
export function createSnapshots(scope: Construct, { sizing }: { sizing: Sizing }): Bucket {
  const bucket = new Bucket(scope, 'Snapshots', {
    ...closed,
    // A state table that was restored to an earlier time names snapshots that the worker has removed since.
    versioned: true,
    lifecycleRules: [
      {
        // State from before the streams' retention cannot be brought up to date again, so older snapshots are of no use.
        noncurrentVersionExpiration: Duration.days(Math.ceil(sizing.retention.toDays({ integral: false })) + 1),
        expiredObjectDeleteMarker: true,
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
    ],
    removalPolicy: sizing.removalPolicy,
  });
  Validations.of(bucket).acknowledge({
    id: 'AwsSolutions-S1',
    reason:
      'Only the worker role reads or writes this bucket, every few seconds; access logs would outgrow the snapshots.',
  });
  return bucket;
}

/**
 * The files of the views that have some: they are the users' and stay for good. Old versions go: a file that is written twice is the same
 * file.
 */
export function createArchive(scope: Construct, { sizing }: { sizing: Sizing }): Bucket {
  const bucket = new Bucket(scope, 'Archive', {
    ...closed,
    versioned: true,
    lifecycleRules: [
      { noncurrentVersionExpiration: Duration.days(1), abortIncompleteMultipartUploadAfter: Duration.days(1) },
    ],
    removalPolicy: sizing.removalPolicy,
  });
  Validations.of(bucket).acknowledge({
    id: 'AwsSolutions-S1',
    reason: 'Who reads the files is for the one who grants it to say; an access log is added there.',
  });
  return bucket;
}

const closed = {
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
  encryption: BucketEncryption.S3_MANAGED,
  enforceSSL: true,
  minimumTLSVersion: 1.2,
} as const;

/** A resource's logical id, by which findings name it. */
export function logicalIdOf(resource: Construct): string {
  return Stack.of(resource).getLogicalId(resource.node.defaultChild as CfnElement);
}
