import type { Consumer } from './change.ts';
import { demand } from './error.ts';
import { type Fields, textIn, textOf } from './wire-fields.ts';

/** Whose streams the server pretends to hold. */
export interface Account {
  readonly accountId: string;
  readonly region: string;
}

export function streamArn(account: Account, streamName: string): string {
  return `arn:aws:kinesis:${account.region}:${account.accountId}:stream/${streamName}`;
}

export function consumerArn(
  account: Account,
  of: { readonly streamName: string; readonly consumer: Consumer },
): string {
  const { consumerName, createdMs } = of.consumer;
  return `${streamArn(account, of.streamName)}/consumer/${consumerName}:${Math.floor(createdMs / 1_000)}`;
}

/** The stream that a request names, by name or by ARN. */
export function streamNameOf(fields: Fields): string {
  const arn = textIn(fields, 'StreamARN');
  return arn === undefined ? textOf(fields, 'StreamName') : streamNameIn(arn);
}

/** The consumer that a request names, by its ARN or by its stream's ARN and its name. */
export function consumerOf(fields: Fields): { readonly streamName: string; readonly consumerName: string } {
  const arn = textIn(fields, 'ConsumerARN');
  if (arn === undefined) return { streamName: streamNameOf(fields), consumerName: textOf(fields, 'ConsumerName') };
  const consumerName = /\/consumer\/([^:/]+)/.exec(arn)?.[1];
  demand(consumerName !== undefined, 'InvalidArgumentException', () => `ConsumerARN ${arn} names no consumer.`);
  return { streamName: streamNameIn(arn), consumerName };
}

function streamNameIn(arn: string): string {
  const streamName = /^arn:[^:]+:kinesis:[^:]*:[^:]*:stream\/([^/]+)/.exec(arn)?.[1];
  demand(streamName !== undefined, 'InvalidArgumentException', () => `${arn} is not the ARN of a stream.`);
  return streamName;
}
