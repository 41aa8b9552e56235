import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: NodeJS.Dict<string>;
}

/** One request on a connection of its own; `path` is what stands in the request line. */
export function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: options.method ?? 'GET',
        headers: { host: /^\w+:\/\/([^/@]+)/.exec(path)?.[1] ?? `127.0.0.1:${port}`, ...options.headers },
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
            trailers: response.trailers,
          }),
        );
      },
    );
    outgoing.once('error', reject);
    outgoing.end(options.body);
  });
}

/** A CONNECT by hand: the socket after the answer's head, with that head and whatever came behind it. */
export async function connectThrough(
  port: number,
  target: string,
): Promise<{ socket: Socket; status: number; head: string; rest: Buffer }> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => {});
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  let received = Buffer.alloc(0);
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf('\r\n\r\n');
    if (end < 0) continue;
    socket.pause();
    const head = received.toString('latin1', 0, end);
    return { socket, status: Number(head.split(' ')[1]), head, rest: received.subarray(end + 4) };
  }
}

/** Everything until the other side ends; the socket stays open for writing, as an async iterator would not leave it. */
export function readAll(socket: Socket, first: Buffer = Buffer.alloc(0)): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks = [first];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('error', reject);
    socket.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    socket.once('close', () => reject(new Error('closed without an end')));
    socket.resume();
  });
}

/** Resolves once at least this much has arrived. */
export async function readUntil(socket: Socket, text: string, first = ''): Promise<string> {
  let received = first;
  while (!received.includes(text)) {
    const data = once(socket, 'data') as Promise<[Buffer]>;
    socket.resume();
    received += (await data)[0].toString('utf8');
  }
  return received;
}

/** Debian's curl, without the environment's proxies. */
export function curl(args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(
      'curl',
      ['--silent', '--show-error', '--max-time', '20', ...args],
      { env: {} },
      (error, output, errors) =>
        resolve({ code: error === null ? 0 : Number(error.code), output: output + errors }),
    );
  });
}
