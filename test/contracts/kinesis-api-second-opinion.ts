import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/** `kinesis-local`, somebody else's Kinesis, as a process of its own. */
export interface SecondOpinion {
  readonly endpoint: string;
  readonly close: () => Promise<void>;
}

export async function startKinesisLocal(): Promise<SecondOpinion> {
  const main = createRequire(import.meta.url).resolve('kinesis-local');
  const child = spawn(process.execPath, ['--import', loopbackOnly, main], {
    // It looks for its certificate where it runs.
    cwd: dirname(main),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { PATH: process.env['PATH'], LOG_LEVEL: 'ERROR', SHARD_LIMIT: '1000', ...ports, ...durations },
  });
  const [port] = (await once(child, 'message')) as [number];
  return {
    endpoint: `http://127.0.0.1:${port}`,
    close: async () => {
      const exit = once(child, 'exit');
      child.kill();
      await exit;
    },
  };
}

/** Not ports but names: what is loaded before it turns them into free ones and tells us the plain one's. */
const ports = { KINESIS_MOCK_TLS_PORT: '1', KINESIS_MOCK_PLAIN_PORT: '2' };

/** It listens on every interface and has no option for it. */
const loopbackOnly = `data:text/javascript,${encodeURIComponent(`
  import { Server } from 'node:net';
  const listen = Server.prototype.listen;
  Server.prototype.listen = function (name, ...rest) {
    if (name === 2) this.once('listening', () => process.send(this.address().port));
    return listen.call(this, { port: 0, host: '127.0.0.1' }, ...rest);
  };
`)}`;

const durations = Object.fromEntries(
  [
    'CREATE_STREAM',
    'DELETE_STREAM',
    'REGISTER_STREAM_CONSUMER',
    'DEREGISTER_STREAM_CONSUMER',
    'MERGE_SHARDS',
    'SPLIT_SHARD',
    'UPDATE_SHARD_COUNT',
  ].map((operation) => [`${operation}_DURATION`, '1ms']),
);
