/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html */

/** 1 MiB since August 2025, a message as well as all messages of a batch together; it was 256 KiB before. */
export const messageBytesMax = 1024 * 1024;
export const batchEntriesMax = 10;
export const batchIdCharactersMax = 80;
export const messageAttributesMax = 10;
const delaySecondsMax = 900;
const waitSecondsMax = 20;
export const visibilitySecondsMax = 12 * 3_600;
export const queueNameCharactersMax = 80;
export const listedQueuesMax = 1_000;

/** What a queue has when it is created without attributes, and what they may be. */
export const attributeRanges = {
  VisibilityTimeout: { initial: 30, min: 0, max: visibilitySecondsMax },
  DelaySeconds: { initial: 0, min: 0, max: delaySecondsMax },
  ReceiveMessageWaitTimeSeconds: { initial: 0, min: 0, max: waitSecondsMax },
  MessageRetentionPeriod: { initial: 4 * 24 * 3_600, min: 60, max: 14 * 24 * 3_600 },
  MaximumMessageSize: { initial: messageBytesMax, min: 1_024, max: messageBytesMax },
} as const;

export type NumericAttribute = keyof typeof attributeRanges;
