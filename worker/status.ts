import { Hono } from 'hono';

/** What the worker says of itself. */
export interface Status {
  /** Whether it got on within the last minute. One that did not had better be replaced. */
  readonly isAlive: () => boolean;
  /** Whether it takes part in the work. */
  readonly isReady: () => boolean;
  /** In the text format of Prometheus. */
  readonly metrics: () => Promise<string>;
}

/**
 * How the worker is, for those who operate it: 200 for yes, 503 for no.
 *
 *     GET /health   it gets on; asked by the container's health check
 *     GET /ready    it holds a shard, or there are fewer shards than workers
 *     GET /metrics  for Prometheus
 */
export function createStatus({ isAlive, isReady, metrics }: Status): Hono {
  const app = new Hono();
  app.get('/health', (context) => (isAlive() ? context.text('alive\n') : context.text('stuck\n', 503)));
  app.get('/ready', (context) => (isReady() ? context.text('ready\n') : context.text('no shard yet\n', 503)));
  app.get('/metrics', async (context) =>
    context.body(await metrics(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  );
  return app;
}
