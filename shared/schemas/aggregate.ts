/**
 * What a record of Kinesis begins with when it holds several:
 *
 *     magic number (4) | protobuf message AggregatedRecord | MD5 of the message (16)
 *
 * https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
 */
export const aggregateMagicNumber = Uint8Array.of(0xf3, 0x89, 0x9a, 0xc2);
