import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { bulkTarget } from './stage.ts';

/** Reads what a way delivers to its end: bytes and seconds from the first byte to the last. */
export function drain(socket: Socket): Promise<{ bytes: number; seconds: number }> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    let begin: number | undefined;
    socket.on('data', (chunk: Buffer) => {
      begin ??= performance.now();
      bytes += chunk.length;
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`broken off after ${bytes} bytes`)));
    socket.resume();
    socket.once('end', () => resolve({ bytes, seconds: (performance.now() - (begin ?? 0)) / 1000 }));
  });
}

export const direct = (port: number, certificatePem: string): Socket =>
  connectTls({ host: '127.0.0.1', port, ca: certificatePem, servername: 'localhost' });

export const plain = (port: number): Socket => connect({ host: '127.0.0.1', port });

/** The bulk application through the agent's proxy: what comes behind the answer to CONNECT. */
export function throughAgent(proxyPort: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: proxyPort });
    socket.once('error', reject);
    socket.write(`CONNECT ${bulkTarget} HTTP/1.1\r\nHost: ${bulkTarget}\r\n\r\n`);
    let head = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData).pause();
      socket.off('error', reject);
      if (!head.toString('latin1').startsWith('HTTP/1.1 200 '))
        return reject(new Error(head.toString('latin1', 0, end)));
      socket.unshift(head.subarray(end + 4));
      resolve(socket);
    };
    socket.on('data', onData);
  });
}
