import { KinesisClient } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/** AWS's client: as it comes it speaks HTTP/2. It does not try again, so that a test sees what it was answered. */
export function createClient(endpoint: string, protocol: 'http1' | 'http2' = 'http1'): KinesisClient {
  return new KinesisClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
    ...(protocol === 'http1' && { requestHandler: new NodeHttpHandler() }),
  });
}
