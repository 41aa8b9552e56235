import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { once } from 'node:events';

/**
 * What is downloaded: whoever connects is sent so many bytes and the end, in clear, and over TLS; and an HTTP application that
 * answers a kilobyte. `node source.ts BYTES CERT KEY`; says `ready PLAIN TLS HTTP`.
 */
const [bytes = 0, certificateFile = '', keyFile = ''] = process.argv.slice(2);
const chunk = Buffer.alloc(256 * 1024, 'postern ');

async function pour(socket: Socket): Promise<void> {
  socket.on('error', () => socket.destroy());
  socket.resume();
  for (let left = Number(bytes); left > 0 && !socket.destroyed; left -= chunk.length) {
    if (!socket.write(left < chunk.length ? chunk.subarray(0, left) : chunk))
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
  }
  socket.end();
}

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};
const body = Buffer.alloc(1024, 'x');
const ports = [
  await listen(createServer({ noDelay: true }, (socket) => void pour(socket))),
  await listen(
    createTlsServer(
      { key: readFileSync(keyFile), cert: readFileSync(certificateFile), minVersion: 'TLSv1.3' },
      (socket) => void pour(socket),
    ),
  ),
  await listen(
    createHttpServer((_request, response) => {
      response.writeHead(200, { 'content-length': body.length });
      response.end(body);
    }),
  ),
];
console.log(`ready ${ports.join(' ')}`);
