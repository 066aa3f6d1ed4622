/** Thousands of inputs take a second or two; on a busy machine several times that. */
export const fuzzTimeoutMs = 60_000;
