import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HostPort } from '../../session/host-port.ts';
import { openDatagramTunnel } from '../connect-tunnel.ts';
import { pauseAfterRefusalMs, startDatagramFlow } from '../datagram-flow.ts';
import type { DatagramFlow } from '../datagram-flow.ts';
import { findApp } from '../find-app.ts';
import type { ProxyContext } from '../proxy-context.ts';
import { parseSocksDatagram } from './messages.ts';

/** Places that one association sends to at a time. Beyond that, datagrams to others are lost. */
const maxFlows = 64;
const loopback = '127.0.0.1';

/**
 * UDP ASSOCIATE (RFC 1928, section 7): a port of loopback whose datagrams go to UDP applications, each place by a flow of
 * CONNECT-UDP of its own. It is there for one port of the program, the one that it named or that sends first, and ends with
 * the connection that asked for it, by which associations are bounded, too.
 * @param from the port that the program says it will send from; 0 where it does not know.
 * @returns the port, or undefined where none could be opened.
 */
export async function associate(
  context: ProxyContext,
  control: Socket,
  from: number,
): Promise<number | undefined> {
  const relay = createSocket('udp4');
  const flows = new Map<string, DatagramFlow>();
  const pauses = new Set<NodeJS.Timeout>();
  let isOver = false;
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    relay.close();
    for (const flow of flows.values()) flow.end();
    for (const pause of pauses) clearTimeout(pause);
    control.destroy();
  };
  // A datagram that could not be sent to a program that is gone.
  relay.on('error', () => undefined);
  relay.bind({ address: loopback, port: 0, exclusive: true });
  try {
    await once(relay, 'listening');
  } catch {
    end();
    return undefined;
  }
  let source = from;
  relay.on('message', (datagram, { address, port }) => {
    if (address !== loopback || (source !== 0 && port !== source)) return;
    const parsed = parseSocksDatagram(datagram);
    if (parsed === undefined) return;
    source = port;
    // By the bytes of the place: answers name it as the program did.
    const key = parsed.header.toString('latin1');
    let flow = flows.get(key);
    if (flow === undefined) {
      if (flows.size >= maxFlows) return;
      const header = Buffer.from(parsed.header);
      flow = startDatagramFlow(
        () => openUdpApp(context, parsed.target),
        (payload) => relay.send([header, payload], source, loopback),
      );
      flows.set(key, flow);
      void forgetAfter(flow, key);
    }
    flow.send(parsed.payload);
  });
  const forgetAfter = async (flow: DatagramFlow, key: string): Promise<void> => {
    const wasOpen = await flow.ended;
    if (wasOpen || isOver) return void flows.delete(key);
    const pause = setTimeout(() => {
      pauses.delete(pause);
      flows.delete(key);
    }, pauseAfterRefusalMs);
    pauses.add(pause);
  };
  // What it still says, nobody waits for; that it is there is all that counts.
  control.setTimeout(0);
  control.once('end', end).once('close', end).resume();
  if (control.destroyed) end();
  return isOver ? undefined : relay.address().port;
}

/** Only where an application takes datagrams at that port; undefined for all else, as where the gateway refuses. */
async function openUdpApp(context: ProxyContext, target: HostPort): Promise<Duplex | undefined> {
  const host = context.hostAt(target.host) ?? target.host;
  if ((await findApp(context, host)) === undefined) return undefined;
  const apps = context.carrier.config.apps().byHost.get(host) ?? [];
  const isUdp = apps.some(({ protocol, ports }) => protocol === 'udp' && ports.includes(target.port));
  if (!isUdp) return undefined;
  const opened = await openDatagramTunnel(context, { host, port: target.port });
  return 'tunnel' in opened ? opened.tunnel : undefined;
}
