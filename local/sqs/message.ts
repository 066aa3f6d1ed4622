import { createHash } from 'node:crypto';
import { Fault } from './fault.ts';
import { messageAttributesMax, messageBytesMax } from './limits.ts';

export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string | undefined;
  /** Base64. */
  readonly BinaryValue?: string | undefined;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** A message as it was sent. */
export interface Content {
  readonly body: string;
  readonly attributes?: MessageAttributes | undefined;
}

/** Refuses what SQS would not store. */
export function checkContent(content: Content, bytesMax: number): void {
  if (content.body === '') throw new Fault('MissingParameter', 'The request must contain the parameter MessageBody.');
  if (!isXmlText(content.body)) {
    throw new Fault('InvalidMessageContents', 'The message has characters that XML 1.0 does not allow.');
  }
  const attributes = Object.keys(content.attributes ?? {}).length;
  if (attributes > messageAttributesMax) {
    throw new Fault(
      'InvalidParameterValue',
      `A message has at most ${messageAttributesMax} attributes, not ${attributes}.`,
    );
  }
  const bytes = bytesOf(content);
  const max = Math.min(bytesMax, messageBytesMax);
  if (bytes > max) {
    throw new Fault(
      'InvalidParameterValue',
      `One or more parameters are invalid. Reason: Message must be shorter than ${max} bytes.`,
    );
  }
}

/** Attributes count: name, type and value. */
export function bytesOf({ body, attributes = {} }: Content): number {
  let bytes = Buffer.byteLength(body);
  for (const [name, { DataType, StringValue = '', BinaryValue = '' }] of Object.entries(attributes)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(DataType) + Buffer.byteLength(StringValue);
    bytes += Buffer.byteLength(BinaryValue, 'base64');
  }
  return bytes;
}

export function md5OfBody(body: string): string {
  return createHash('md5').update(body).digest('hex');
}

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation */
export function md5OfAttributes(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) return undefined;
  const hash = createHash('md5');
  const add = (bytes: Buffer): void => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const name of names) {
    const attribute = attributes[name];
    if (attribute === undefined) continue;
    add(Buffer.from(name));
    add(Buffer.from(attribute.DataType));
    hash.update(Buffer.of(attribute.BinaryValue === undefined ? 1 : 2));
    add(
      attribute.BinaryValue === undefined
        ? Buffer.from(attribute.StringValue ?? '')
        : Buffer.from(attribute.BinaryValue, 'base64'),
    );
  }
  return hash.digest('hex');
}

/** #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF, as SendMessage documents it. */
function isXmlText(text: string): boolean {
  return !/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u.test(text);
}
