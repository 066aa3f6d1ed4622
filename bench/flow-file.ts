import { closeSync, openSync, writeSync } from 'node:fs';
import { createRandom } from '#cli/generate.ts';

/** Seeded flow records: the same options make the same bytes. */
export interface FlowLoad {
  readonly recordCount: number;
  readonly keyCount: number;
  /** Event time that the records span. */
  readonly spanMs: number;
  readonly seed: number;
}

/** A whole minute: a load of n minutes fills n windows, and its disorder puts a little into the one before. */
const loadStartMs = Date.UTC(2026, 0, 1);
/** Below the 4 s of disorder that the flow pipeline allows, so that no record is late. */
const disorderMsMax = 3_000;

/** Makes the records of a few IPs, one after the other: each a line of about 55 bytes, at most `disorderMsMax` older than it is due. */
export function createFlowLine(load: Pick<FlowLoad, 'keyCount' | 'seed'>): (dueMs: number) => string {
  const random = createRandom(load.seed);
  const ips = Array.from({ length: load.keyCount }, () => randomIp(random));
  return (dueMs) => {
    const ts = dueMs - Math.floor(random() * disorderMsMax);
    const ip = ips[Math.floor(random() * load.keyCount)] as string;
    return `{"ts":${ts},"ip":"${ip}","bytes":${40 + Math.floor(random() * 9_000)}}`;
  };
}

/** Writes a load as NDJSON; gives the size of the file. */
export function writeFlowFile(path: string, load: FlowLoad): number {
  const line = createFlowLine(load);
  const file = openSync(path, 'w');
  let bytes = 0;
  try {
    for (let made = 0; made < load.recordCount; ) {
      let text = '';
      for (const end = Math.min(load.recordCount, made + linesPerWrite); made < end; made += 1)
        text += `${line(loadStartMs + Math.floor((made / load.recordCount) * load.spanMs))}\n`;
      bytes += writeSync(file, text);
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}

const linesPerWrite = 10_000;

function randomIp(random: () => number): string {
  const octet = (): number => Math.floor(random() * 256);
  return `${octet()}.${octet()}.${octet()}.${octet()}`;
}
