import type { Socket } from 'node:net';
import { refusals } from '../../../src/contract/refusals.ts';
import { parseProblemText } from '../../control/problem.ts';
import { openAppTunnel } from '../connect-tunnel.ts';
import type { RefusedTunnel } from '../connect-tunnel.ts';
import type { ProxyContext } from '../proxy-context.ts';
import { associate } from './associate.ts';
import {
  command,
  methodAnswer,
  noAuthentication,
  parseGreeting,
  parseSocksRequest,
  replyOf,
  replyOfAssociation,
  socks5Version,
} from './messages.ts';
import { readMessage } from './read-message.ts';
import { reply, replyOfRefusal } from './replies.ts';

/**
 * A SOCKS5 client (RFC 1928): CONNECT and UDP ASSOCIATE to hosts of applications, by name. What the client sends behind a
 * CONNECT goes into the tunnel once that is open, and nowhere else.
 */
export async function handleSocks5(context: ProxyContext, socket: Socket): Promise<void> {
  const { limits } = context;
  socket.on('error', () => socket.destroy());
  const refuse = (answer: Buffer): void => endSocks(socket, answer, limits.headersTimeoutMs);
  const signal = AbortSignal.timeout(limits.headersTimeoutMs);
  const failed = (): 'ended' => 'ended';

  const greeting = await readMessage(socket, parseGreeting, signal).catch(failed);
  if (greeting === 'ended') return void socket.destroy();
  if (greeting === 'malformed') return refuse(methodAnswer(false));
  if (!greeting.methods.includes(noAuthentication)) return refuse(methodAnswer(false));
  socket.write(methodAnswer(true));

  const request = await readMessage(socket, parseSocksRequest, signal).catch(failed);
  if (request === 'ended') return void socket.destroy();
  if (request === 'malformed') return refuse(replyOf(reply.generalFailure));
  // BIND would make the laptop listen for strangers.
  if (request.command !== command.connect && request.command !== command.udpAssociate)
    return refuse(replyOf(reply.commandNotSupported));
  if (request.target === undefined) return refuse(replyOf(reply.addressTypeNotSupported));
  if (request.command === command.udpAssociate) {
    const port = await associate(context, socket, request.target.port);
    return port === undefined
      ? refuse(replyOf(reply.generalFailure))
      : void socket.write(replyOfAssociation(port));
  }

  const opened = await openAppTunnel(context, request.target);
  if (!('tunnel' in opened)) return refuse(replyOf(replyToRefused(opened)));
  socket.write(replyOf(reply.succeeded));
  opened.tunnel(socket, Buffer.alloc(0));
}

export const beginsSocks5 = (firstByte: number): boolean => firstByte === socks5Version;

function replyToRefused(refused: RefusedTunnel): number {
  if ('refusal' in refused) return replyOfRefusal(refused.refusal, refusals[refused.refusal].status);
  const { status, body } = refused.answer;
  return replyOfRefusal(parseProblemText(status, body.toString('utf8')).code, status);
}

/** A refused client is given the time to read why (RFC 1928, section 6: no more than ten seconds), and not for ever. */
function endSocks(socket: Socket, answer: Buffer, limitMs: number): void {
  socket.setTimeout(Math.min(limitMs, 10_000), () => socket.destroy());
  socket.end(answer);
  socket.resume();
}
