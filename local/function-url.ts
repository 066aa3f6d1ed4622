import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { LambdaFunction } from './lambda/function.ts';
import { type LocalServer, listen } from './listen.ts';

interface FunctionResponse {
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}

/**
 * A Lambda function URL: an HTTP request becomes an event of payload format 2.0.
 * https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
 */
export function createFunctionUrl(lambda: LambdaFunction, port: number): Promise<LocalServer> {
  const server = createServer((request, response) => {
    toEvent(request)
      .then((event) => lambda.invoke(event))
      .then((outcome) => {
        if (outcome.kind !== 'response') {
          response
            .writeHead(502, { 'content-type': 'application/json' })
            .end(JSON.stringify({ message: `the read function ended with ${outcome.kind}` }));
          return;
        }
        const {
          statusCode = 200,
          headers = {},
          body = '',
          isBase64Encoded = false,
        } = outcome.payload as FunctionResponse;
        response.writeHead(statusCode, headers).end(isBase64Encoded ? Buffer.from(body, 'base64') : body);
      })
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  return listen(server, { name: 'the read API', port });
}

async function toEvent(request: IncomingMessage): Promise<unknown> {
  const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
  const body = await buffer(request);
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : value]),
  );
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: url.pathname,
    rawQueryString: url.search.slice(1),
    headers,
    queryStringParameters: Object.fromEntries(url.searchParams),
    requestContext: {
      accountId: 'anonymous',
      apiId: 'local',
      domainName: request.headers.host,
      http: {
        method: request.method,
        path: url.pathname,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: request.socket.remoteAddress,
        userAgent: request.headers['user-agent'],
      },
      requestId: randomUUID(),
      routeKey: '$default',
      stage: '$default',
      timeEpoch: Date.now(),
    },
    ...(body.length === 0 ? {} : { body: body.toString('base64') }),
    isBase64Encoded: body.length > 0,
  };
}
