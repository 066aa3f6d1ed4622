/**
 * What Lambda allows a function, each under its name.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */

/** 6 MB and what AWS adds for the envelope; the number is from AWS's own error message. */
export const payloadBytesMax = 6_291_556;

export const timeoutMsDefault = 3_000;
export const timeoutMsMax = 900_000;
export const memoryMbDefault = 128;
export const memoryMbMin = 128;
export const memoryMbMax = 10_240;

/** https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html: of importing the bundle. */
export const initMsMax = 10_000;
