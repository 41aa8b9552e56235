import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import type { ClientIdentity } from './target.ts';

/**
 * Keeps some connections busy, one request at a time on each, and counts whole answers of status 200: `node
 * load-generator.ts FILE`, where FILE has the options as JSON. Told `{ seconds }` it runs and tells `Round` back.
 */
export interface LoadOptions {
  readonly port: number;
  readonly client: ClientIdentity;
  readonly host: string;
  readonly connections: number;
}

export interface Round {
  readonly requests: number;
  readonly seconds: number;
  /** CPU seconds of this process. */
  readonly cpuSeconds: number;
  /** Answers that were not 200, and connections that broke. */
  readonly failures: number;
  readonly firstFailure?: string;
}

const [file = ''] = process.argv.slice(2);
const { port, client, host, connections } = JSON.parse(readFileSync(file, 'utf8')) as LoadOptions;
const request = Buffer.from(
  [
    'GET /applications/17 HTTP/1.1',
    `Host: ${host}`,
    `Proxy-Authorization: Bearer ${client.token}`,
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) bench',
    'Accept: */*',
    '',
    '',
  ].join('\r\n'),
);
const headEnd = Buffer.from('\r\n\r\n');

let isRunning = false;
let requests = 0;
let failures = 0;
let firstFailure: string | undefined;

function fail(what: string): void {
  failures += 1;
  firstFailure ??= what;
}

/** Length of the whole answer once its head is there; 0 before. */
function answerLength(data: Buffer): number {
  const end = data.indexOf(headEnd);
  if (end === -1) return 0;
  const head = data.toString('latin1', 0, end);
  if (!head.startsWith('HTTP/1.1 200')) fail(head.split('\r\n', 1)[0] ?? '');
  const at = head.search(/\r\ncontent-length: */i);
  return end + 4 + (at === -1 ? 0 : Number.parseInt(head.slice(head.indexOf(':', at) + 1), 10));
}

function drive(socket: TLSSocket): void {
  let pending: Buffer | undefined;
  let length = 0;
  socket.on('data', (chunk: Buffer) => {
    const data = pending === undefined ? chunk : Buffer.concat([pending, chunk]);
    if (length === 0) length = answerLength(data);
    if (length === 0 || data.length < length) {
      pending = data;
      return;
    }
    pending = undefined;
    length = 0;
    requests += 1;
    if (isRunning) socket.write(request);
    else idle.add(socket);
  });
}

const idle = new Set<TLSSocket>();
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
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      socket.off('error', reject);
      socket.on('error', (error) => fail(error.message));
      socket.on('close', () => fail('connection closed'));
      drive(socket);
      idle.add(socket);
      resolve();
    });
  });

process.on('message', ({ seconds }: { seconds: number }) => {
  requests = 0;
  failures = 0;
  firstFailure = undefined;
  isRunning = true;
  const startedAt = performance.now();
  const before = process.cpuUsage();
  for (const socket of idle) socket.write(request);
  idle.clear();
  setTimeout(() => {
    isRunning = false;
    const { user, system } = process.cpuUsage(before);
    process.send?.({
      requests,
      seconds: (performance.now() - startedAt) / 1000,
      cpuSeconds: (user + system) / 1e6,
      failures,
      ...(firstFailure === undefined ? {} : { firstFailure }),
    } satisfies Round);
  }, seconds * 1000);
});

await Promise.all(Array.from({ length: connections }, open));
console.log('ready');
