import { Duration, Validations } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { deadLetterBytesMax } from '#shared/schemas/dead-letter.ts';
import type { Sizing } from './props.ts';

/** Where records go that cannot be counted, each with its reason. The hosts put them here; no mapping ever does (rule 6). */
export function createDeadLetters(scope: Construct, { sizing }: { sizing: Sizing }): Queue {
  const queue = new Queue(scope, 'DeadLetters', {
    // The longest that SQS offers.
    retentionPeriod: Duration.days(14),
    // Said although it is the default: a queue that was made when it was 256 KiB keeps that.
    maxMessageSizeBytes: deadLetterBytesMax,
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    removalPolicy: sizing.removalPolicy,
  });
  Validations.of(queue).acknowledge({
    id: 'AwsSolutions-SQS3',
    reason:
      'This queue is the dead-letter queue: people read it and nothing consumes it, so there is nothing to redrive from.',
  });
  return queue;
}
