import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Connections to a server that a test can break. */
export interface TcpProxy {
  readonly port: number;
  /** Closes every connection at once. */
  readonly cut: () => void;
  /** Makes every connection half-open: both ends hold it, and neither hears the other. New connections are well. */
  readonly hush: () => void;
  /** How many connections clients hold. */
  readonly openCount: () => number;
  readonly close: () => Promise<void>;
}

export async function openTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  const keep = (socket: Socket, other: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      clients.delete(socket);
      other.destroy();
    });
    socket.pipe(other);
  };
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    clients.add(near);
    keep(near, far);
    keep(far, near);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    hush: () => {
      for (const socket of sockets) socket.unpipe().resume();
    },
    openCount: () => clients.size,
    close: async () => {
      cut();
      await once(server.close(), 'close');
    },
  };
}
