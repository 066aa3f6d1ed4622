import type { AddressInfo, Server, Socket } from 'node:net';
import { MillraceError } from '#shared/schemas/error.ts';

/** A wire server of the embedded AWS, listening. */
export interface LocalServer {
  /** What an SDK takes as its endpoint: `http://127.0.0.1:4566`. */
  readonly endpoint: string;
  readonly port: number;
  /** Answers what is under way, then lets go of the port and of the folder. Closing twice is no error. */
  readonly close: () => Promise<void>;
}

/** Never any other interface: whoever reaches an emulator can read and change everything in it. */
export const loopback = '127.0.0.1';

/** How long a request that is under way may take once the server is closing. */
export const closeGraceMs = 1_000;

/**
 * Listens on the loopback interface only. Without a port the system picks a free one.
 *
 *     const server = await listen(createServer(answer), { name: 'S3', port: 4572, onClose: () => objects.close() });
 */
export async function listen(
  server: Server,
  options: {
    /** For messages: `S3`. */
    readonly name: string;
    readonly port?: number | undefined;
    /** Runs once, after the last request was answered. */
    readonly onClose?: () => void | Promise<void>;
  },
): Promise<LocalServer> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const port = await bind(server, options.name, options.port ?? 0);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const impatience = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, closeGraceMs);
    await closed;
    clearTimeout(impatience);
    await options.onClose?.();
  };
  return {
    endpoint: `http://${loopback}:${port}`,
    port,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/**
 * Whether a request ended before all of it had come, as one does whose sender is killed. Reading it fails, which harms nobody, and nobody
 * waits for the answer.
 */
export function isCutOff(request: { readonly readableEnded: boolean }): boolean {
  return !request.readableEnded;
}

function bind(server: Server, name: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (cause: unknown): void => reject(bindError({ name, port, cause }));
    server.once('error', onError);
    server.listen(port, loopback, () => {
      server.off('error', onError);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function bindError({ name, port, cause }: { name: string; port: number; cause: unknown }): unknown {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') {
    return new MillraceError(
      'PORT_IN_USE',
      `Local ${name} cannot listen on ${loopback}:${port}, since another process does. Stop that process, or choose another port: "millrace dev --port N" takes five from N on, and 0 takes free ones.`,
      { cause },
    );
  }
  if (code === 'EACCES') {
    return new MillraceError(
      'SETTING_INVALID',
      `Local ${name} may not listen on port ${port}: ports below 1024 belong to the administrator. Choose a higher one.`,
      { cause },
    );
  }
  return cause;
}
