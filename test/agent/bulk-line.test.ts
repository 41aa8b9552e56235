import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp } from '../lab/gateway.ts';
import { connectThrough } from './lab/proxy-client.ts';
import { connectLaptop } from './lab/real-gateway.ts';
import type { RealGateway } from './lab/real-gateway.ts';

/** More than what makes an application known for long transfers, and no multiple of any buffer. */
const content = Buffer.alloc(20 * 1024 * 1024 + 12_345, 'postern over and out ');
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const files = 'files.apps.example.org:7000';

let service: LabServer;
let laptop: RealGateway;
/** How the application ends its side, once it has been asked for something. */
let serve: (socket: Socket, asked: string) => void;

beforeAll(async () => {
  service = await startTcpService((socket) => {
    socket.allowHalfOpen = true;
    socket.on('error', () => socket.destroy());
    socket.once('data', (piece: Buffer) => serve(socket, piece.toString('latin1')));
  });
  laptop = await connectLaptop([labApp('files', [service.url], { protocol: 'tcp', ports: [7000] })], {});
});
afterAll(async () => {
  await laptop.close();
  service.close();
});

const closedFrom = (from: number) => laptop.lab.recorder.next(({ kind }) => kind === 'tunnel-closed', from);

/** Everything that comes, until the end. */
async function readAll(socket: Socket, rest: Buffer): Promise<Buffer> {
  const pieces = [rest];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.resume();
  await once(socket, 'end');
  return Buffer.concat(pieces);
}

/** From the application, which sends once it was asked. */
async function download(): Promise<{ readonly digest: string; readonly version: string }> {
  const from = laptop.lab.recorder.records.length;
  serve = (socket) => socket.end(content);
  const { socket, rest } = await connectThrough(laptop.agent.port, files);
  socket.write('get');
  const got = digest(await readAll(socket, rest));
  socket.end();
  const { facts } = await closedFrom(from);
  return { digest: got, version: facts.request?.httpVersion ?? '' };
}

/** Towards the application, which answers once it has all of it. */
async function upload(): Promise<{
  readonly digest: string;
  readonly version: string;
  readonly bytes: number;
}> {
  const from = laptop.lab.recorder.records.length;
  serve = (socket, first) => {
    const hash = createHash('sha256').update(first, 'latin1');
    socket.on('data', (piece: Buffer) => hash.update(piece));
    socket.once('end', () => socket.end(hash.digest('hex')));
  };
  const { socket, rest } = await connectThrough(laptop.agent.port, files);
  socket.end(content);
  const got = (await readAll(socket, rest)).toString();
  const { facts, outcome } = await closedFrom(from);
  return { digest: got, version: facts.request?.httpVersion ?? '', bytes: outcome?.bytesIn ?? 0 };
}

/** Transfers until one goes over a line of its own: the first shows what the application is used for. */
async function onLine<Result extends { readonly version: string }>(
  transfer: () => Promise<Result>,
): Promise<Result> {
  for (;;) {
    const result = await transfer();
    if (result.version === '1.1') return result;
  }
}

it('gives an application that is used for long transfers a connection of its own, whole both ways', async () => {
  const whole = digest(content);
  expect(await download()).toEqual({ digest: whole, version: '2.0' });
  expect(await onLine(download)).toEqual({ digest: whole, version: '1.1' });
  expect(await onLine(upload)).toEqual({ digest: whole, version: '1.1', bytes: content.length });
});

it('breaks off a transfer that the application broke off, whatever came before', async () => {
  await onLine(download);
  for (;;) {
    const from = laptop.lab.recorder.records.length;
    serve = (socket) => socket.write(content, () => socket.resetAndDestroy());
    const { socket } = await connectThrough(laptop.agent.port, files);
    const ended = new Promise<string>((resolve) => {
      socket.once('end', () => resolve('end'));
      socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? ''));
    });
    socket.write('get');
    socket.resume();
    expect(await ended).toBe('ECONNRESET');
    if ((await closedFrom(from)).facts.request?.httpVersion === '1.1') return;
  }
});
