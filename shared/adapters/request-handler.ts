import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler';

/** How long a client waits before it gives up a request, which the SDK then tries again. */
export interface Patience {
  readonly connectionMsMax: number;
  /** For the next byte, in either direction: a large body may take its time, a silent server may not. */
  readonly silenceMsMax: number;
}

/** All that is asked of AWS here is answered within a second. A worker still has time for another try before its leases run out. */
export const patience: Patience = { connectionMsMax: 3_000, silenceMsMax: 6_000 };

/**
 * The connections of a host, for all of its AWS clients. By default they would wait for ever, or for minutes, for an answer that never
 * comes. HTTP/1.1 for Kinesis too: the SDK's default opens an HTTP/2 session for each of its requests, and some emulators answer it
 * with protocol errors.
 */
export function createRequestHandler({ connectionMsMax, silenceMsMax }: Patience = patience): NodeHttpHandler {
  return new NodeHttpHandler({ connectionTimeout: connectionMsMax, socketTimeout: silenceMsMax });
}

/** Kinesis sends an event at least every 5 s to whoever subscribes to a shard, also when there is nothing to tell. */
const streamSilenceMsMax = 15_000;

/**
 * For a client that subscribes to shards, which AWS serves by HTTP/2 alone. Requests do not share a session: a half-open one would stay in
 * the SDK's pool, and every later request would wait for it in vain.
 */
export function createStreamingRequestHandler(silenceMsMax: number = streamSilenceMsMax): NodeHttp2Handler {
  return new NodeHttp2Handler({ requestTimeout: silenceMsMax, disableConcurrentStreams: true });
}
