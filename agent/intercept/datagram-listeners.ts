import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { createCapsuleReader, encodeDatagram } from '../../src/contract/datagram-capsules.ts';
import type { Endpoint } from './app-endpoints.ts';
import { createListeners } from './listeners.ts';
import type { Listener, Listeners, Place } from './listeners.ts';

/** Datagrams of a flow that is not open yet: what a program sends before it waits for an answer. */
const maxWaiting = 16;
/** Beyond this the session does not keep up, and datagrams are lost as in any network. */
const maxQueuedBytes = 1024 * 1024;
/** Programs ask again and again where nobody answers; not each time is worth asking the gateway. */
const pauseAfterRefusalMs = 2000;

/** Opens the way of one flow; undefined where it was refused. Never rejects. */
export type OpenDatagrams = (endpoint: Endpoint) => Promise<Duplex | undefined>;

/**
 * Listens for datagrams. All that one port of a program sends to one place is a flow (RFC 9298), which ends when the gateway
 * has seen nothing move for its time.
 * @param sleep resolves after so many milliseconds.
 */
export function createDatagramListeners(
  open: OpenDatagrams,
  maxFlows: number,
  sleep: (ms: number) => Promise<void>,
): Listeners {
  let flows = 0;

  const listen = async (place: Place): Promise<Listener> => {
    const socket = createSocket({ type: 'udp4' });
    socket.bind({ address: place.address, port: place.port, exclusive: true });
    try {
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      throw error;
    }
    // A datagram that could not be sent to a program that is gone.
    socket.on('error', () => undefined);
    const bySource = new Map<string, Flow>();
    socket.on('message', (payload, source) => {
      const key = `${source.address}:${source.port}`;
      let flow = bySource.get(key);
      if (flow === undefined) {
        if (flows >= maxFlows) return;
        flows += 1;
        flow = startFlow(socket, source, () => open(place));
        bySource.set(key, flow);
        void flow.ended
          .then((wasOpen) => (wasOpen ? undefined : sleep(pauseAfterRefusalMs)))
          .then(() => {
            flows -= 1;
            bySource.delete(key);
          });
      }
      flow.send(payload);
    });
    return {
      close: () => {
        socket.close();
        for (const flow of bySource.values()) flow.end();
      },
    };
  };

  return createListeners(listen);
}

interface Flow {
  send(payload: Buffer): void;
  end(): void;
  /** Whether it was ever open. */
  readonly ended: Promise<boolean>;
}

function startFlow(socket: Socket, source: RemoteInfo, open: () => Promise<Duplex | undefined>): Flow {
  let waiting: Buffer[] | undefined = [];
  let stream: Duplex | undefined;
  let isOver = false;
  const ended = Promise.withResolvers<boolean>();
  const write = (payload: Buffer): void => {
    if (stream !== undefined && stream.writableLength < maxQueuedBytes) stream.write(encodeDatagram(payload));
  };
  const carry = (opened: Duplex | undefined): void => {
    if (opened === undefined || isOver) {
      waiting = undefined;
      opened?.destroy();
      return ended.resolve(false);
    }
    stream = opened;
    const reader = createCapsuleReader((payload) => {
      if (!isOver) socket.send(payload, source.port, source.address);
    });
    opened.on('data', (piece: Buffer) => {
      try {
        reader.read(piece);
      } catch (error) {
        opened.destroy(error as Error);
      }
    });
    opened.on('error', () => undefined);
    opened.once('end', () => opened.end());
    opened.once('close', () => {
      stream = undefined;
      ended.resolve(true);
    });
    for (const payload of waiting ?? []) write(payload);
    waiting = undefined;
    if (opened.destroyed) ended.resolve(true);
  };
  open().then(carry, () => carry(undefined));
  return {
    ended: ended.promise,
    send(payload) {
      if (waiting === undefined) write(payload);
      else if (waiting.length < maxWaiting) waiting.push(payload);
    },
    end() {
      isOver = true;
      stream?.destroy();
    },
  };
}
