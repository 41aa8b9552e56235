import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import type { LoadOptions } from './load-generator.ts';

/**
 * Opens many device connections, asks once on each as an agent does, and then does nothing: `node idle-connections.ts
 * FILE`. Says `ready` when all are open; ends with its parent.
 */
const [file = ''] = process.argv.slice(2);
const { port, client, host, connections } = JSON.parse(readFileSync(file, 'utf8')) as LoadOptions;
const request = `GET /applications/17 HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${client.token}\r\n\r\n`;
const sockets: TLSSocket[] = [];

const open = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: client.serverName,
      cert: client.certificatePem,
      key: client.keyPem,
      ca: client.authorityPem,
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.3',
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.once('secureConnect', () => socket.write(request));
    socket.once('data', (chunk: Buffer) => {
      if (!chunk.toString('latin1').startsWith('HTTP/1.1 200'))
        reject(new Error(chunk.toString('latin1').slice(0, 200)));
      else resolve();
    });
    socket.on('data', () => undefined);
    sockets.push(socket);
  });

let next = 0;
/** A few at a time: this measures memory, not a storm of handshakes. */
async function openSome(): Promise<void> {
  while (next < connections) {
    next += 1;
    await open();
  }
}
await Promise.all(Array.from({ length: 32 }, openSome));
console.log('ready');
