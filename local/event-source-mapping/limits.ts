/**
 * What Lambda allows an event source mapping, each under its name.
 * https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
 */
const mebibyte = 1_048_576;

export const batchSizeDefault = 100;
export const batchSizeMax = 10_000;
export const batchingWindowMsMax = 300_000;
export const parallelizationFactorMax = 10;
export const retryAttemptsMax = 10_000;
export const recordAgeMsMin = 60_000;
export const recordAgeMsMax = 604_800_000;

/** https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html: of an event, as JSON. */
export const eventBytesMax = 6 * mebibyte;

/** https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html */
export const tumblingWindowMsMax = 900_000;
export const windowStateBytesMax = mebibyte;
/** How long after its end a window of a shard without new records is closed, which is AWS's worst case. */
export const quietWindowMs = 120_000;

/** https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html */
export const filtersMax = 5;
export const filterPatternLengthMax = 4_096;

/** https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html: "a base rate of once per second". */
export const pollMs = 1_000;

/** AWS does not document how long it waits before it tries again. */
export const retryDelayMsMin = 100;
export const retryDelayMsMax = 10_000;

/** What one read of a shard may bring. */
export const readRecordsMax = 10_000;
export const readBytesMax = 10 * mebibyte;

/** With several batches of a shard in flight, a stuck one holds the others up when so much has been read beyond it. */
export const bufferedRecordsMax = 20_000;
export const bufferedBytesMax = 64 * mebibyte;
