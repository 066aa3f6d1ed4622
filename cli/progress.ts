import { statSync } from 'node:fs';

const everyMs = 500;

/** A line on a terminal's standard error that says how far a file was read. Silent when nobody looks. */
export function createProgress(path: string): { readonly add: (bytes: number) => void; readonly end: () => void } {
  if (!process.stderr.isTTY) return { add: () => {}, end: () => {} };
  const total = path === '-' ? undefined : statSync(path).size;
  const startMs = performance.now();
  let done = 0;
  let shownMs = startMs;
  return {
    add: (bytes) => {
      done += bytes;
      if (performance.now() - shownMs < everyMs) return;
      shownMs = performance.now();
      const rate = done / 1e6 / ((shownMs - startMs) / 1_000);
      const share =
        total === undefined || total === 0
          ? ''
          : ` of ${(total / 1e6).toFixed(1)} MB, ${Math.floor((100 * done) / total)} %`;
      process.stderr.write(`\r\u001b[K${path}: ${(done / 1e6).toFixed(1)} MB${share}, ${rate.toFixed(0)} MB/s`);
    },
    end: () => {
      process.stderr.write('\r\u001b[K');
    },
  };
}
