import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { openAppTunnel } from './connect-tunnel.ts';
import { fieldLines } from './headers.ts';
import { answerProblemOn, endWithAnswer } from './problem-answer.ts';
import type { ProxyContext } from './proxy-context.ts';
import { hostAgrees, parseAbsoluteTarget } from './request-target.ts';

/** Fields for this hop, which the far end of the tunnel has no use for. Connection and Upgrade are the request itself. */
const dropped: ReadonlySet<string> = new Set([
  'proxy-authorization',
  'proxy-connection',
  'keep-alive',
  'host',
]);

/** `GET http://app/ws` with Upgrade: the same request in origin form, through a tunnel, and then raw bytes both ways. */
export async function forwardUpgrade(
  context: ProxyContext,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  const refuse = (code: RefusalCode): void => answerProblemOn(socket, { code, language: context.language });
  const target = parseAbsoluteTarget(request.url ?? '');
  const lines = [...fieldLines(request.rawHeaders)];
  const hosts = lines.filter(([name]) => name === 'host');
  if (target === undefined || hosts.length > 1) return refuse('bad-request');
  if (!hostAgrees(hosts[0]?.[1], target)) return refuse('authority-mismatch');
  // A body before an upgrade is read differently by different servers.
  if (
    lines.some(
      ([name, value]) => name === 'transfer-encoding' || (name === 'content-length' && value !== '0'),
    )
  ) {
    return refuse('bad-request');
  }
  const opened = await openAppTunnel(context, target);
  if ('refusal' in opened) return refuse(opened.refusal);
  if ('answer' in opened) {
    const { status, contentType, body } = opened.answer;
    return endWithAnswer(socket, status < 300 ? 502 : status, contentType, body);
  }
  const kept = lines.filter(([name]) => !dropped.has(name)).map(([name, value]) => `${name}: ${value}\r\n`);
  // The parser has refused line breaks in values, so nothing here can add a line. Latin-1 is what it read them as.
  const start = `${request.method ?? 'GET'} ${target.path} HTTP/1.1\r\nhost: ${target.authority}\r\n`;
  opened.tunnel(socket, Buffer.concat([Buffer.from(`${start}${kept.join('')}\r\n`, 'latin1'), head]));
}
