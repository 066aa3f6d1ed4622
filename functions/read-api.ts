import { type Context, Hono, type MiddlewareHandler } from 'hono';
import type { Pipeline } from '#shared/pipeline/pipeline.ts';
import { columnsOf, type StepPlan, stepsOf } from '#shared/pipeline/plan.ts';
import type { Reader, ViewQuery } from '#shared/runtime/read.ts';
import { hasCode, MillraceError } from '#shared/schemas/error.ts';
import { encodeKey, parseKeyColumn } from '#shared/schemas/key.ts';

/**
 * The HTTP API over the results. All answers are JSON.
 *
 *     GET /views                                   the views, with their columns
 *     GET /views/by-ip-1m                          rows of the newest window
 *     GET /views/by-ip-1m?top=10&by=bytes          its ten largest
 *     GET /views/by-ip-1m?key.ip=1.2.3.4           rows of one key, all columns of it; a number or boolean is tagged: key.status:n=200
 *     GET /views/by-ip-1m?from=…&to=…              windows that start in [from, to), in ISO 8601 or milliseconds
 *     GET /views/views-with-errors?from=…&to=…     joined rows whose earlier record lies in [from, to)
 *     GET /counts   /progress   /health
 */
export function createReadApi(pipeline: Pipeline, reader: Reader): Hono {
  const api = new Hono();
  api.get('/', (context) =>
    context.json({ pipeline: pipeline.id, paths: ['/views', '/counts', '/progress', '/health'] }),
  );
  api.get('/health', (context) => context.json({ status: 'ok', pipeline: pipeline.id, planHash: pipeline.planHash }));
  api.get('/views', noParameters, (context) => context.json(describeViews(pipeline)));
  api.get('/views/:view', async (context) => {
    const rows = await reader.rows(parseQuery(context));
    const text = JSON.stringify(rows);
    demandFits(text, rows.length);
    return context.body(text, 200, { 'content-type': 'application/json' });
  });
  api.get('/counts', noParameters, async (context) => context.json(await reader.counts()));
  api.get('/progress', noParameters, async (context) => context.json(await reader.progress()));
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
  const views = stepsOf(pipeline.plan).filter(({ sinks }) => sinks.length > 0);
  return views.map((step) => ({
    view: step.id,
    ...describeKind(step),
    placement: step.placement,
    columns: columnsOf(step).kept,
    derived: columnsOf(step).derived,
  }));
}

function describeKind(step: StepPlan): object {
  switch (step.op) {
    case 'aggregate':
      return { window: step.window };
    case 'join':
      return { join: { kind: step.kind, lowerMs: step.lowerMs, upperMs: step.upperMs } };
    case 'process':
      return { process: { ...step.does, ...(step.ttlMs === undefined ? {} : { ttlMs: step.ttlMs }) } };
    case 'running':
      return { running: { refreshMs: step.refreshMs } };
    case 'select':
      return {
        select: step.isKeyed ? 'by key' : 'without a key',
        ...(step.lateOf === undefined ? {} : { lateOf: step.lateOf }),
      };
    case 'top':
      return { top: { of: step.source, count: step.count, by: step.by } };
  }
}

/**
 * Of a response, in which the body is a text within JSON: 6 MB, less than any headers need. Lambda fails what is larger without a word for
 * the caller. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */
const bodyBytesMax = 6_000_000;

function demandFits(text: string, rowCount: number): void {
  // No character takes more than three bytes, be it escaped or not.
  if (3 * text.length <= bodyBytesMax) return;
  const bytes = Buffer.byteLength(JSON.stringify(text));
  if (bytes > bodyBytesMax)
    throw invalid(
      `the query gives ${rowCount} rows of ${bytes} bytes together, and Lambda answers with ${bodyBytesMax} at most; narrow it with a key, a shorter time range or top.`,
    );
}

const noParameters: MiddlewareHandler = async ({ req }, next) => {
  const [name] = Object.keys(req.queries());
  if (name !== undefined) throw invalid(`parameter ${name} is not known; ${req.path} takes none.`);
  await next();
};

const known = new Set(['from', 'to', 'top', 'by']);

function parseQuery(context: Context): ViewQuery {
  const parameters = Object.entries(context.req.queries()).map(([name, values]) => {
    if (!known.has(name) && !name.startsWith('key.'))
      throw invalid(`parameter ${name} is not known; use key.<column>, ${[...known].join(', ')}.`);
    if (values.length > 1) throw invalid(`${name} is given ${values.length} times; once is enough.`);
    return [name, values[0] as string] as const;
  });
  const { from, to, top, by } = Object.fromEntries(parameters);
  const key = parseKey(parameters.filter(([name]) => name.startsWith('key.')));
  const fromMs = from === undefined ? undefined : parseTime('from', from);
  const toMs = to === undefined ? undefined : parseTime('to', to);
  if (fromMs !== undefined && toMs !== undefined && fromMs > toMs)
    throw invalid(`from ${from} is after to ${to}; windows start in [from, to).`);
  if (by !== undefined && top === undefined)
    throw invalid(`by needs top: ?top=10&by=${by} gives the ten largest rows.`);
  return {
    view: context.req.param('view') as string,
    ...(key === undefined ? {} : { key }),
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(toMs === undefined ? {} : { toMs }),
    ...(top === undefined ? {} : { top: parseTop(top) }),
    ...(by === undefined ? {} : { by }),
  };
}

/** The canonical key of `key.<column>` parameters; undefined when there are none. */
function parseKey(parameters: readonly (readonly [name: string, value: string])[]): string | undefined {
  if (parameters.length === 0) return undefined;
  const columns = new Map<string, string | number | boolean>();
  for (const [name, text] of parameters) {
    const [column, value] = parseKeyColumn(name.slice('key.'.length), text);
    if (columns.has(column)) throw invalid(`key column ${column} is given twice; once is enough.`);
    columns.set(column, value);
  }
  try {
    return encodeKey(Object.fromEntries(columns));
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** Date reads much more than ISO 8601, and a time without a zone differently on every machine. */
const isoTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

function parseTime(name: string, text: string): number {
  const ms = /^-?\d+$/.test(text) ? Number(text) : isoTime.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isSafeInteger(ms)) return ms;
  throw invalid(
    `${name} is ${JSON.stringify(text)}; use ISO 8601 with a zone, such as 2015-05-17T10:00:00Z, or milliseconds since 1970.`,
  );
}

function parseTop(text: string): number {
  const top = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(top) && top > 0) return top;
  throw invalid(`top is ${JSON.stringify(text)}; it must be a whole number above 0.`);
}

function invalid(message: string, cause?: unknown): MillraceError {
  return new MillraceError('QUERY_INVALID', message, cause === undefined ? {} : { cause });
}
