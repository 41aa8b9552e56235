import { connect } from 'node:net';
import type { OnReadOpts, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { bulkTarget } from './stage.ts';

/** What a way delivered to its end: bytes, and seconds from the first byte to the last. */
export interface Delivered {
  readonly bytes: number;
  readonly seconds: number;
}

export interface Download {
  readonly socket: Socket;
  readonly delivered: Promise<Delivered>;
}

type Open = (onread: OnReadOpts) => Socket;

/** All is read into one buffer: whoever measures should cost as little as can be, and the same on each way. */
const buffer = Buffer.alloc(256 * 1024);

function download(open: Open, skip: (piece: Buffer) => number | undefined = () => 0): Download {
  let bytes = 0;
  let begin: number | undefined;
  let isSkipped = false;
  const socket = open({
    buffer,
    callback: (count) => {
      let from = 0;
      if (!isSkipped) {
        const length = skip(buffer.subarray(0, count));
        if (length === undefined) return true;
        isSkipped = true;
        from = length;
      }
      if (count > from) begin ??= performance.now();
      bytes += count - from;
      return true;
    },
  });
  const delivered = new Promise<Delivered>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`broken off after ${bytes} bytes`)));
    socket.once('end', () => resolve({ bytes, seconds: (performance.now() - (begin ?? 0)) / 1000 }));
  });
  socket.resume();
  return { socket, delivered };
}

export const direct = (port: number, certificatePem: string): Download =>
  download((onread) =>
    // Node's types leave it out; its documentation and its tests have it.
    connectTls({ host: '127.0.0.1', port, ca: certificatePem, servername: 'localhost', onread } as object),
  );

export const plain = (port: number): Download =>
  download((onread) => connect({ host: '127.0.0.1', port, onread }));

/** The bulk application through the agent's proxy: what comes behind the answer to CONNECT. */
export function throughAgent(proxyPort: number): Download {
  let head = '';
  const started = download(
    (onread) => connect({ host: '127.0.0.1', port: proxyPort, onread }),
    (piece) => {
      const before = head.length;
      head += piece.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return undefined;
      if (!head.startsWith('HTTP/1.1 200 ')) started.socket.destroy(new Error(head.slice(0, end)));
      return end + 4 - before;
    },
  );
  started.socket.write(`CONNECT ${bulkTarget} HTTP/1.1\r\nHost: ${bulkTarget}\r\n\r\n`);
  return started;
}
