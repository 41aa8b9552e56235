import type { Duplex } from 'node:stream';
import { MalformedCapsule } from '../../contract/capsules.ts';
import { createCapsuleReader, encodeDatagram, maxDatagramBytes } from '../../contract/datagram-capsules.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { Expectation } from '../../domain/expected-protocol.ts';
import type { Side } from '../../inspection/protocols/recognizer.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import { startProtocolCheck } from '../protocol/protocol-check.ts';
import type { EndedBy } from '../records/record-flow.ts';
import type { OpenedDatagrams } from '../upstream/open-upstream.ts';

/** Datagrams that one side sends faster than the other takes them are lost beyond this, as in any network. */
const maxQueuedBytes = 1024 * 1024;
const usualIdleMs = 120_000;

/**
 * Joins a client's stream of capsules and a datagram socket whose tunnel was opened and recorded (RFC 9298). A flow of
 * datagrams has no end of its own: it ends with the client's stream, with a peer that says that nobody is there, or after
 * a time in which nothing moved.
 */
export function joinDatagrams(
  flow: Flow,
  gateway: Gateway,
  joined: {
    readonly client: Duplex;
    readonly opened: OpenedDatagrams;
    /** What the first datagram of each side has to be. */
    readonly expectation?: Expectation | undefined;
  },
): void {
  const { client, opened, expectation } = joined;
  const { socket, text } = opened;
  let isOver = false;
  let hasSent = false;
  let hasHeard = false;
  const end = (endedBy: EndedBy, refusal?: Refusal): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(idle);
    if (refusal === undefined) client.end();
    else client.destroy();
    socket.close();
    if (hasSent && !hasHeard && endedBy !== 'upstream') opened.note('silent');
    gateway.record.tunnelClosed(flow, endedBy, refusal);
    if (flow.grant !== undefined) gateway.grants.close(flow.grant);
  };
  const cut = (refusal: Refusal): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(idle);
    socket.close();
    gateway.record.tunnelClosed(flow, 'gateway', refusal);
    if (flow.grant !== undefined) gateway.grants.close(flow.grant);
    // What a power cut takes back, nobody was told.
    const tell = (): void => void client.destroy();
    gateway.record.afterSynced(tell, tell);
  };
  const check = expectation && startProtocolCheck(flow, gateway, expectation, cut);
  const isWelcome = (side: Side, payload: Buffer): boolean =>
    check === undefined || check.isDone(side) || check.look(side, payload) !== undefined;
  const idle = setTimeout(() => end('gateway'), gateway.settings.limits.datagramIdleTimeoutMs ?? usualIdleMs);
  const capsules = createCapsuleReader((payload) => {
    if (isOver || !isWelcome('client', payload)) return;
    flow.bytesIn += payload.length;
    idle.refresh();
    hasSent = true;
    if (socket.getSendQueueSize() < maxQueuedBytes) socket.send(payload);
  });

  client.on('data', (piece: Buffer) => {
    if (isOver) return;
    try {
      capsules.read(piece);
    } catch (error) {
      if (!(error instanceof MalformedCapsule)) throw error;
      end('gateway', refuse('bad-request', error.message));
    }
  });
  client.once('end', () =>
    end('client', capsules.isBetween ? undefined : refuse('bad-request', 'half a capsule')),
  );
  client.on('error', () => end('client'));
  client.once('close', () => end('client'));
  socket.on('message', (payload) => {
    hasHeard = true;
    opened.note('answered');
    if (isOver || !isWelcome('upstream', payload)) return;
    // An upstream is not trusted to keep to what a packet can hold, nor to wait for who reads.
    if (payload.length > maxDatagramBytes || client.writableLength > maxQueuedBytes) return;
    flow.bytesOut += payload.length;
    idle.refresh();
    client.write(encodeDatagram(payload));
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    // One datagram too large for the way is only lost.
    if (error.code === 'EMSGSIZE') return;
    // Its host answered that nobody listens there.
    opened.failed();
    end('upstream', refuse('upstream-unreachable', `${text}: ${error.code}`));
  });
  if (client.destroyed) return end('client');
  client.resume();
  if (flow.grant === undefined) return;
  flow.grant.cut = (refusal) => end('gateway', refusal);
  if (flow.grant.ended !== undefined) end('gateway', flow.grant.ended);
}
