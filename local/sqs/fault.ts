/** A refusal that SQS has a name for. */
export class Fault extends Error {
  readonly code: string;

  /** `code` is the name of the shape, as in `QueueDoesNotExist`. */
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * What the older query protocol called the same error. SDKs hand this one to their callers, so that a change of protocol did
 * not change what a program matches on.
 */
export function queryCodeOf(code: string): string {
  return queryCodes[code] ?? code;
}

const queryCodes: Readonly<Record<string, string>> = {
  BatchEntryIdsNotDistinct: 'AWS.SimpleQueueService.BatchEntryIdsNotDistinct',
  BatchRequestTooLong: 'AWS.SimpleQueueService.BatchRequestTooLong',
  EmptyBatchRequest: 'AWS.SimpleQueueService.EmptyBatchRequest',
  InvalidBatchEntryId: 'AWS.SimpleQueueService.InvalidBatchEntryId',
  MessageNotInflight: 'AWS.SimpleQueueService.MessageNotInflight',
  QueueDoesNotExist: 'AWS.SimpleQueueService.NonExistentQueue',
  QueueNameExists: 'QueueAlreadyExists',
  TooManyEntriesInBatchRequest: 'AWS.SimpleQueueService.TooManyEntriesInBatchRequest',
  UnsupportedOperation: 'AWS.SimpleQueueService.UnsupportedOperation',
};
