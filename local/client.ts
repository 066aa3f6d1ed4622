import { NodeHttpHandler } from '@smithy/node-http-handler';
import { region } from './template.ts';

/**
 * The configuration of an SDK client for a service of the embedded AWS: nothing checks the credentials. It waits as long as it takes:
 * a laptop may sleep in the middle of a put, and a record that is put again is counted again.
 */
export function localClient(endpoint: string): {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly requestHandler: NodeHttpHandler;
} {
  return {
    endpoint,
    region,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    requestHandler: new NodeHttpHandler(),
  };
}
