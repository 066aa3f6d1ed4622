import type { LineDecoder } from '../decoder.ts';

/** One JSON value a line. The schema says which values are records. */
export function json(): LineDecoder {
  return {
    format: 'json',
    config: {},
    isJson: true,
    recognises: (line) => line.startsWith('{') || /^\s*[{[]/.test(line),
    decodeLine: (line) => {
      try {
        return JSON.parse(line);
      } catch (error) {
        throw new Error(`the line is not JSON: ${error instanceof Error ? error.message : error}`, { cause: error });
      }
    },
  };
}
