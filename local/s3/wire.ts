import { randomUUID } from 'node:crypto';
import { closeSync, createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { isCutOff, type LocalServer, listen } from '../listen.ts';
import { parseAddress } from './address.ts';
import { readBody } from './body.ts';
import { Fault } from './fault.ts';
import type { Objects } from './objects.ts';
import { answer, type Reply } from './operations.ts';
import { Uploads } from './uploads.ts';
import { document, element } from './xml.ts';

/** An S3 endpoint over `objects`, in path style and in virtual-host style. Closing it closes the objects. */
export async function startS3({
  objects,
  port,
  onError = (error) => console.error(error),
}: {
  readonly objects: Objects;
  readonly port?: number;
  /** Told of what was no caller's fault, such as a full disk; the caller is answered with a 500. */
  readonly onError?: (error: unknown) => void;
}): Promise<LocalServer> {
  const uploads = new Uploads();
  const server = createServer((request, response) => {
    serve({ objects, uploads, request })
      .catch((error: unknown) => {
        if (!(error instanceof Fault || isCutOff(request))) onError(error);
        return faultReply(error, request);
      })
      .then((reply) => send(reply, request, response))
      // The caller has gone in the middle of the answer.
      .catch(() => response.destroy());
  });
  try {
    return await listen(server, { name: 'S3', port, onClose: () => objects.close() });
  } catch (error) {
    objects.close();
    throw error;
  }
}

async function serve(call: {
  readonly objects: Objects;
  readonly uploads: Uploads;
  readonly request: IncomingMessage;
}): Promise<Reply> {
  const { request, objects, uploads } = call;
  const body = await readBody(request);
  const headers = plainHeaders(request);
  const address = parseAddress({ url: request.url ?? '/', host: headers['host'] ?? '' });
  return answer({ objects, uploads, method: request.method ?? '', address, headers, body });
}

/** S3 knows no header that comes twice, so the values of one that does are joined. */
function plainHeaders(request: IncomingMessage): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
}

function faultReply(error: unknown, request: IncomingMessage): Reply {
  const fault = error instanceof Fault ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const fields = [
    element('Code', fault?.code ?? 'InternalError'),
    element('Message', message),
    element('Resource', request.url),
  ].join('');
  return { status: fault?.status ?? 500, xml: `<Error>${fields}</Error>` };
}

async function send(reply: Reply, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, headers, xml, file } = reply;
  const body = xml === undefined ? undefined : Buffer.from(document(xml));
  response.writeHead(status, {
    'x-amz-request-id': randomUUID(),
    ...(body === undefined ? {} : { 'content-type': 'application/xml', 'content-length': body.length }),
    ...headers,
  });
  if (file !== undefined && file.bytesCount > 0) {
    const end = file.from + file.bytesCount - 1;
    await pipeline(createReadStream('', { fd: file.file, start: file.from, end }), response);
    return;
  }
  if (file !== undefined) closeSync(file.file);
  response.end(request.method === 'HEAD' ? undefined : body);
}
