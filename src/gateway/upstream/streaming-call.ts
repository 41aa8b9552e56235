import { request as startRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { pairsOf, toFields } from '../raw-fields.ts';
import type { OpenedUpstream } from './open-upstream.ts';
import type { UpstreamAnswer, UpstreamCall, UpstreamRequest } from './upstream-answer.ts';

export interface StreamingLimits {
  readonly headersTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  readonly maxHeaderBytes: number;
}

const brokenOff = (): Error => Object.assign(new Error('broken off'), { code: 'ECONNRESET' });
const timeout = (what: string): Error => Object.assign(new Error(what), { code: 'ETIMEDOUT' });

/**
 * One request on a connection of its own, for what kept connections do not carry: bodies of unknown length, whose
 * header section must not wait for the first byte and which may end in trailers, and upgrades.
 */
export function sendStreaming(
  opened: OpenedUpstream,
  { method, target, headers, body, contentLength, upgrade, trailers }: UpstreamRequest,
  answer: UpstreamAnswer,
  limits: StreamingLimits,
): UpstreamCall {
  const { socket } = opened;
  let isOver = false;
  let response: IncomingMessage | undefined;

  const finish = (): boolean => {
    if (isOver) return false;
    isOver = true;
    clearTimeout(timer);
    return true;
  };
  const fail = (error: unknown): void => {
    if (!finish()) return;
    socket.destroy();
    answer.onError(error);
  };

  if (upgrade !== undefined) headers.push('connection', 'upgrade', 'upgrade', upgrade);
  else headers.push('connection', 'close');
  if (body !== undefined) {
    if (contentLength === undefined) headers.push('transfer-encoding', 'chunked');
    else headers.push('content-length', String(contentLength));
  }
  answer.onStart(opened.dialled, opened.text);
  let timer = setTimeout(() => fail(timeout('no answer')), limits.headersTimeoutMs);
  const call: ClientRequest = startRequest({
    method,
    path: target,
    headers,
    setHost: false,
    createConnection: () => socket,
    insecureHTTPParser: false,
    maxHeaderSize: limits.maxHeaderBytes,
  });
  // Dialled sockets come paused, so that nothing that an app says first is lost.
  call.once('socket', () => socket.resume());
  call.on('error', fail);
  call.on('close', () => {
    // An answer may still be read when its connection has gone; it then says itself whether it is whole.
    if (response === undefined) fail(brokenOff());
  });
  call.on('information', ({ statusCode, rawHeaders }) => {
    if (!isOver) answer.onInformation(statusCode, toFields(rawHeaders));
  });
  call.on('upgrade', (message: IncomingMessage, upgraded: Socket, head: Buffer) => {
    if (!finish()) return void upgraded.destroy();
    answer.onUpgrade(toFields(message.rawHeaders), upgraded, head);
  });
  call.on('response', (message) => {
    if (isOver) return;
    response = message;
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (message.isPaused()) timer.refresh();
      else fail(timeout('body stopped'));
    }, limits.bodyIdleTimeoutMs);
    message.on('error', fail);
    message.on('close', () => fail(brokenOff()));
    message.on('data', (chunk: Buffer) => {
      timer.refresh();
      if (!isOver && !answer.onData(chunk)) message.pause();
    });
    message.on('end', () => {
      if (!message.complete) return fail(brokenOff());
      if (!finish()) return;
      socket.destroy();
      answer.onEnd(toFields(message.rawTrailers));
    });
    answer.onHead(message.statusCode ?? 0, message.statusMessage ?? '', toFields(message.rawHeaders));
  });

  if (body === undefined) call.end();
  else {
    call.flushHeaders();
    const progress = (): void => {
      // An upload may take as long as it moves; the answer's time begins when it is there.
      if (response === undefined && !isOver) timer.refresh();
    };
    sendBody(call, body, progress, () => {
      if (contentLength === undefined) call.addTrailers(pairsOf(trailers()));
    }).catch(fail);
  }

  return {
    resume: () => void response?.resume(),
    abort() {
      if (!finish()) return;
      socket.destroy();
    },
  };
}

async function sendBody(
  call: ClientRequest,
  body: AsyncIterable<Buffer>,
  progress: () => void,
  beforeEnd: () => void,
): Promise<void> {
  for await (const chunk of body) {
    if (call.destroyed) return;
    if (!call.write(chunk)) await drained(call);
    progress();
  }
  beforeEnd();
  call.end();
}

const drained = (call: ClientRequest): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      call.off('close', done);
      resolve();
    };
    call.on('drain', done);
    call.on('close', done);
  });
