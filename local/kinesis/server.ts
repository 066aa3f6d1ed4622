import { ownFolder } from '../folder.ts';
import type { LocalServer } from '../listen.ts';
import { openKinesis } from './log.ts';
import type { Kinesis } from './model.ts';
import { startKinesisServer } from './wire.ts';

/** Kinesis on this machine: the model that readers in this process share with the wire server. */
export interface LocalKinesis extends LocalServer {
  readonly model: Kinesis;
}

/** Opens what `folder` holds and serves it. */
export async function startKinesis(options: {
  readonly folder: string;
  readonly port?: number | undefined;
  readonly throttle: boolean;
  /** Told of what was no caller's fault, such as a full disk. */
  readonly onError?: ((error: unknown) => void) | undefined;
}): Promise<LocalKinesis> {
  const owned = ownFolder(options.folder);
  try {
    const stored = openKinesis({
      folder: owned.path,
      now: () => Date.now(),
      steady: () => performance.now(),
      throttle: options.throttle,
    });
    const onClose = () => {
      stored.close();
      owned.release();
    };
    const { port, onError } = options;
    const serving = startKinesisServer({ kinesis: stored.kinesis, port, onError, onClose });
    const server = await serving.catch((error) => {
      stored.close();
      throw error;
    });
    return { ...server, model: stored.kinesis };
  } catch (error) {
    owned.release();
    throw error;
  }
}
