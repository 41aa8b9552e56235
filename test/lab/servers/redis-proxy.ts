import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A network between a client and a Redis, which can lose what is on its way. */
export interface RedisProxy {
  readonly port: number;
  /** The next request with this text arrives, and its answer is lost with the connection. */
  loseAnswerTo(text: string): void;
  /** The next request with this text is held back until `release`. Resolves when it is held. */
  hold(text: string): Promise<void>;
  release(): void;
  close(): Promise<void>;
}

export async function startRedisProxy(target: number): Promise<RedisProxy> {
  const sockets = new Set<Socket>();
  let losing: string | undefined;
  let holding: { text: string; held: () => void } | undefined;
  let release: () => void = () => undefined;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    let isLosing = false;
    let isHeld = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      if (losing !== undefined && text.includes(losing)) {
        losing = undefined;
        isLosing = true;
      }
      if (holding !== undefined && text.includes(holding.text)) {
        isHeld = true;
        release = () => {
          upstream.end(chunk);
        };
        holding.held();
        holding = undefined;
        return;
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      if (isLosing) {
        client.destroy();
        upstream.destroy();
      } else if (!client.destroyed) client.write(chunk);
    });
    // What is held back may still arrive after its sender has given up.
    client.on('close', () => isHeld || upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    loseAnswerTo: (text) => (losing = text),
    hold: (text) => new Promise((held) => (holding = { text, held })),
    release: () => release(),
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
