/** Thousands of inputs take a second or two; on a busy machine many times that. */
export const fuzzTimeoutMs = 300_000;
