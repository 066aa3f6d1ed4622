import type { Decoder } from '../decoder.ts';

/** JSON, one value a line (NDJSON). */
export function json(): Decoder {
  return {
    format: 'json',
    config: {},
    recognises: (line) => /^\s*[{[]/.test(line),
    decodeLine: (line) => JSON.parse(line),
  };
}
