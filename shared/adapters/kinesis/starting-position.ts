import type { StartingPosition } from '@aws-sdk/client-kinesis';

/** Behind the record `after`, in the words of SubscribeToShard. Before one was read it is the trim horizon, which skips nothing (rule 6). */
export function positionBehind(after: string | undefined): StartingPosition & Required<Pick<StartingPosition, 'Type'>> {
  return after === undefined ? { Type: 'TRIM_HORIZON' } : { Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: after };
}
