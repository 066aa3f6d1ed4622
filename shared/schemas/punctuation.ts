/**
 * The partition key of a punctuation: a raw record whose data is `{"watermark": <milliseconds since 1970>}`. With it a producer promises
 * that nothing older follows in this shard, so windows may close before newer records come, for instance at the end of an input.
 */
export const watermarkPartitionKey = 'millrace:watermark';
