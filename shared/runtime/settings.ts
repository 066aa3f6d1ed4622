import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { MillraceError } from '#shared/schemas/error.ts';
import {
  type HostEnvironment,
  type HostName,
  hostSettings,
  noLosses,
  type SinkNames,
  settingNames,
} from '#shared/schemas/settings.ts';

/** The settings of a host, read from its environment. Throws `SETTING_MISSING`, naming every one that is not set. */
export function readSettings<Host extends HostName>(
  host: Host,
  environment: Readonly<Record<string, string | undefined>>,
): HostEnvironment<Host> {
  const names = hostSettings[host].map((setting) => settingNames[setting]);
  const missing = names.filter((name) => environment[name] === undefined || environment[name] === '');
  if (missing.length > 0) {
    throw new MillraceError(
      'SETTING_MISSING',
      `${host} was started without ${missing.join(', ')}. The stack sets them; deploy it again, or set them by hand.`,
    );
  }
  return Object.fromEntries(names.map((name) => [name, environment[name]])) as HostEnvironment<Host>;
}

/** The whole number above 0 that a setting holds; `SETTING_INVALID` for anything else. */
export function readCount(name: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new MillraceError('SETTING_INVALID', `${name} is ${JSON.stringify(text)}; it must be a whole number above 0.`);
}

/** The names that the setting of the sinks holds; `SETTING_INVALID` for anything else. */
export function readSinks(name: string, text: string): SinkNames {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { archiveBucket, streams } = (value ?? {}) as { readonly archiveBucket?: unknown; readonly streams?: unknown };
  const isMap =
    typeof streams === 'object' &&
    streams !== null &&
    Object.values(streams).every((stream) => typeof stream === 'string');
  if (isMap && (archiveBucket === undefined || typeof archiveBucket === 'string')) return value as SinkNames;
  throw new MillraceError(
    'SETTING_INVALID',
    `${name} is ${JSON.stringify(text)}; it must be JSON such as {"archiveBucket": "a-bucket", "streams": {"a-view": "a-stream"}}.`,
  );
}

/** The host and port that a setting holds, such as `127.0.0.1:8080`; port 0 is any free one. `SETTING_INVALID` for anything else. */
export function readAddress(name: string, text: string): { readonly hostname: string; readonly port: number } {
  const [, hostname, port] = /^([^:\s]+):(\d+)$/.exec(text) ?? [];
  if (hostname !== undefined && Number(port) <= portMax) return { hostname, port: Number(port) };
  throw new MillraceError(
    'SETTING_INVALID',
    `${name} is ${JSON.stringify(text)}; it must be an address and a port up to ${portMax}, such as 0.0.0.0:8080.`,
  );
}

const portMax = 65_535;

/** Picks the pipeline that a host was deployed for, and stops with `PLAN_MISMATCH` when the bundle holds another plan of it. */
export function selectPipeline(
  registry: readonly Pipeline[],
  {
    PIPELINE,
    PLAN_HASH,
    DROPPED_STATE = noLosses,
  }: { readonly PIPELINE: string; readonly PLAN_HASH: string; readonly DROPPED_STATE?: string },
): Pipeline {
  const pipeline = findPipeline(registry, PIPELINE);
  if (pipeline.planHash !== PLAN_HASH) {
    throw new MillraceError(
      'PLAN_MISMATCH',
      `the bundle holds plan ${pipeline.planHash.slice(0, 8)} of pipeline ${PIPELINE}, and the stack was deployed with plan ${PLAN_HASH.slice(0, 8)}. Redeploy the stack, so that all hosts have one plan.`,
    );
  }
  return DROPPED_STATE === noLosses ? pipeline : { ...pipeline, dropped: DROPPED_STATE.split(',') };
}

/** The pipeline with this id, which may be written as its file's path (`nexmark/q5`); `PIPELINE_UNKNOWN` lists those there are. */
export function findPipeline(registry: readonly Pipeline[], id: string): Pipeline {
  const pipeline = registry.find((candidate) => candidate.id === id.replaceAll('/', '-'));
  if (pipeline !== undefined) return pipeline;
  const known = registry.map((candidate) => candidate.id).join(', ');
  throw new MillraceError(
    'PIPELINE_UNKNOWN',
    `there is no pipeline ${JSON.stringify(id)}; pipelines/index.ts registers ${known}.`,
  );
}
