import { Readable } from 'node:stream';

export interface ScriptedRequest {
  readonly operation: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Settings for a client of the AWS SDK that put a script in the place of the network: for answers that no well-behaved server
 * gives when a test wants them. The script gives the fields of the answer, or throws a `fault`.
 */
export function scriptRequests(answer: (request: ScriptedRequest, index: number) => object) {
  const requests: ScriptedRequest[] = [];
  const handle = async (sent: { readonly headers: Record<string, string>; readonly body: string | Uint8Array }) => {
    const operation = sent.headers['x-amz-target']?.split('.')[1] ?? '';
    const body = typeof sent.body === 'string' ? sent.body : new TextDecoder().decode(sent.body);
    const request = { operation, fields: JSON.parse(body) as ScriptedRequest['fields'] };
    requests.push(request);
    try {
      return respond(200, answer(request, requests.length - 1));
    } catch (error) {
      if (!(error instanceof Error) || error.name === 'NetworkFault') throw error;
      return respond(400, { __type: error.name, message: error.message });
    }
  };
  const settings = {
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    // The SDK's own retries wait on the wall clock.
    maxAttempts: 1,
    requestHandler: { metadata: { handlerProtocol: 'http/1.1' }, handle } as never,
  };
  return { settings, requests };
}

/** A fault that the service answers with; `NetworkFault` is the lack of an answer. */
export function fault(name: string): Error {
  return Object.assign(new Error(`a scripted ${name}`), { name });
}

function respond(statusCode: number, body: object) {
  const headers = { 'content-type': 'application/x-amz-json-1.1' };
  return { response: { statusCode, headers, body: Readable.from([Buffer.from(JSON.stringify(body))]) } };
}
