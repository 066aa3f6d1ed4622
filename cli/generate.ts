import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { sourcesOf } from '#shared/pipeline/plan.ts';
import { MillraceError } from '#shared/schemas/error.ts';

/** A line of made-up traffic for a source, at a time of day. */
export interface Generator {
  readonly source: string;
  readonly line: (nowMs: number) => string;
}

const addressCount = 200;
/** Records are up to this much older than the moment in which they come, as in real logs. */
const delayMsMax = 3_000;
const paths = [
  '/',
  '/index.html',
  '/login',
  '/search',
  '/api/items',
  '/api/items/42',
  '/api/orders',
  '/images/logo.png',
  '/style.css',
  '/robots.txt',
];

/** Seeded traffic: a few addresses make most of it. Access log lines where the source reads them, else flow records. */
export function createGenerator(pipeline: Pipeline, seed: number): Generator {
  const random = createRandom(seed);
  const source = sourcesOf(pipeline.plan).find(({ id }) => id === 'requests' || id === 'flows');
  if (source === undefined) {
    throw new MillraceError(
      'INPUT_INVALID',
      `there is no made-up traffic for the sources of pipeline ${pipeline.id}. Give it records with --input FILE.`,
    );
  }
  const isLog = source.formats.some(({ format }) => format === 'combined');
  return {
    source: source.id,
    line: (nowMs) => {
      const timeMs = Math.floor(nowMs - random() * delayMsMax);
      // The share of the address of rank r falls with 1 / r.
      const ip = addressOf(Math.floor(addressCount ** random()) - 1);
      const bytes = Math.floor(200 * 500 ** random());
      if (!isLog) return JSON.stringify({ ts: timeMs, ip, bytes });
      const status = random() < 0.95 ? 200 : random() < 0.8 ? 404 : 500;
      const path = paths[Math.floor(random() * paths.length)] as string;
      return `${ip} - - [${logTime(timeMs)}] "GET ${path} HTTP/1.1" ${status} ${bytes} "-" "generated"`;
    },
  };
}

function addressOf(rank: number): string {
  return `203.0.113.${rank}`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function logTime(timeMs: number): string {
  const time = new Date(timeMs);
  const [day, clock] = [time.toISOString().slice(8, 10), time.toISOString().slice(11, 19)];
  return `${day}/${months[time.getUTCMonth()]}/${time.getUTCFullYear()}:${clock} +0000`;
}

/** mulberry32 (Tommy Ettinger, public domain): numbers in [0, 1), the same for the same seed. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
