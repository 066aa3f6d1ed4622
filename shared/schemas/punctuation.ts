/**
 * The partition key of a punctuation: a raw record whose data is `{"watermark": <milliseconds since 1970>}`. With it a producer promises
 * that nothing older follows in this shard, so windows may close before newer records come, for instance at the end of an input.
 */
export const watermarkPartitionKey = 'millrace:watermark';

/**
 * The last instant of the year 9999, the latest event time that there is. Promised as a watermark it says that the stream is over: every
 * window closes, and rows that wait for more of their kind wait no longer.
 */
export const endOfStreamMs = 253_402_300_799_999;
