import { KinesisClient } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';

/** A Kinesis client. The SDK's default speaks HTTP/2, which some emulators answer with protocol errors, so an endpoint set by hand gets HTTP/1.1. */
export function createKinesisClient(): KinesisClient {
  const isEmulator = (process.env['AWS_ENDPOINT_URL_KINESIS'] ?? process.env['AWS_ENDPOINT_URL']) !== undefined;
  return new KinesisClient(isEmulator ? { requestHandler: new NodeHttpHandler() } : {});
}
