import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends the beginning of a request and goes, as a process that is killed does. Resolves when the server has had time to see it. */
export async function cutOff(
  server: { readonly endpoint: string; readonly port: number },
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  const lines = Object.entries({ host: '127.0.0.1', 'content-length': '1000', ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const gone = once(socket, 'close');
  socket.end(`POST /bucket/key HTTP/1.1\r\n${head}\r\n{"half`, () => socket.destroy());
  await gone;
  // The server has seen the end of a connection before it answers on a later one.
  for (let rounds = 0; rounds < 3; rounds += 1) await (await fetch(server.endpoint)).arrayBuffer();
}
