import type { Json } from './aggregator.ts';

/** Turns one line of a raw record into a value for the schema. A raw record may hold several lines. */
export interface Decoder {
  /** Names the format on the command line and in the plan: `json`, `csv`, `combined`. */
  readonly format: string;
  readonly config: { readonly [name: string]: Json };
  /** A cheap look at whether the line is of this format; a source with several formats takes the first that says yes. */
  readonly recognises: (line: string) => boolean;
  /** The decoded value, or `undefined` for a line that holds no record (a header). Throws an Error that says what is wrong and where. */
  readonly decodeLine: (line: string) => unknown;
}
