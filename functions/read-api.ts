import { type Context, Hono } from 'hono';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { stepsOf } from '#shared/pipeline/plan.ts';
import type { Reader, ViewQuery } from '#shared/runtime/read.ts';
import { hasCode, MillraceError } from '#shared/schemas/error.ts';
import { encodeKey, parseKeyColumn } from '#shared/schemas/key.ts';

/**
 * The HTTP API over the results. All answers are JSON.
 *
 *     GET /views                                   the views, with their columns
 *     GET /views/by-ip-1m                          rows of the newest window
 *     GET /views/by-ip-1m?top=10&by=bytes          its ten largest
 *     GET /views/by-ip-1m?key.ip=1.2.3.4           rows of one key; a number or boolean is tagged: key.status:n=200
 *     GET /views/by-ip-1m?from=…&to=…              windows that start in [from, to), in ISO 8601 or milliseconds
 *     GET /counts   /progress   /health
 */
export function createReadApi(pipeline: Pipeline, reader: Reader): Hono {
  const api = new Hono();
  api.get('/', (context) =>
    context.json({ pipeline: pipeline.id, paths: ['/views', '/counts', '/progress', '/health'] }),
  );
  api.get('/health', (context) => context.json({ status: 'ok', pipeline: pipeline.id, planHash: pipeline.planHash }));
  api.get('/views', (context) => context.json(describeViews(pipeline)));
  api.get('/views/:view', async (context) => context.json(await reader.rows(parseQuery(context))));
  api.get('/counts', async (context) => context.json(await reader.counts()));
  api.get('/progress', async (context) => context.json(await reader.progress()));
  api.notFound((context) =>
    context.json({ error: 'NOT_FOUND', message: `there is no ${context.req.path}; see /` }, 404),
  );
  api.onError((error, context) => {
    const status = hasCode(error, 'VIEW_UNKNOWN') ? 404 : hasCode(error, 'QUERY_INVALID') ? 400 : 500;
    const code = 'code' in error ? error.code : 'INTERNAL';
    return context.json({ error: code, message: error.message }, status);
  });
  return api;
}

function describeViews(pipeline: Pipeline): unknown {
  return stepsOf(pipeline.plan).map((step) => ({
    view: step.id,
    window: step.window,
    placement: step.placement,
    columns: Object.keys(step.aggregates),
    derived: Object.keys(step.derived),
  }));
}

const known = new Set(['from', 'to', 'top', 'by']);

function parseQuery(context: Context): ViewQuery {
  const parameters = Object.entries(context.req.query());
  const unknown = parameters.find(([name]) => !known.has(name) && !name.startsWith('key.'));
  if (unknown !== undefined) {
    throw new MillraceError(
      'QUERY_INVALID',
      `parameter ${unknown[0]} is not known; use key.<column>, ${[...known].join(', ')}.`,
    );
  }
  const columns = parameters
    .filter(([name]) => name.startsWith('key.'))
    .map(([name, value]) => parseKeyColumn(name.slice(4), value));
  const { from, to, top, by } = context.req.query();
  return {
    view: context.req.param('view') as string,
    ...(columns.length === 0 ? {} : { key: encodeKey(Object.fromEntries(columns)) }),
    ...(from === undefined ? {} : { fromMs: parseTime('from', from) }),
    ...(to === undefined ? {} : { toMs: parseTime('to', to) }),
    ...(top === undefined ? {} : { top: parseTop(top) }),
    ...(by === undefined ? {} : { by }),
  };
}

function parseTime(name: string, text: string): number {
  const ms = /^-?\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isSafeInteger(ms)) return ms;
  throw new MillraceError(
    'QUERY_INVALID',
    `${name} is ${JSON.stringify(text)}; use ISO 8601, such as 2015-05-17T10:00:00Z, or milliseconds since 1970.`,
  );
}

function parseTop(text: string): number {
  const top = Number(text);
  if (Number.isSafeInteger(top) && top > 0) return top;
  throw new MillraceError('QUERY_INVALID', `top is ${JSON.stringify(text)}; it must be a whole number above 0.`);
}
