import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { normalizeSerial } from '../../../certs/serial.ts';
import { certificateThumbprint } from '../../../certs/thumbprint.ts';
import type { Device } from '../../domain/device.ts';
import type { ConnectionFacts, Endpoint } from '../../domain/flow.ts';
import type { FlowId } from '../../domain/ids.ts';

/** The ends of a TCP connection; asked for at once, since a closed socket has forgotten them. */
export interface Ends {
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/** IPv4 in IPv6 clothes is one address, not two. */
const plainAddress = (address: string | undefined): string =>
  (address ?? '').replace(/^::ffff:(?=[0-9.]+$)/, '');

export const endsOf = (socket: Socket): Ends => ({
  source: { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 },
  destination: { address: plainAddress(socket.localAddress), port: socket.localPort ?? 0 },
});

export interface ConnectionStart extends Ends {
  readonly id: FlowId;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly ja4?: ConnectionFacts['ja4'];
}

const printedName = (name: string): string => name.replaceAll('\n', ', ');
const toSeconds = (date: string): number => Math.floor(Date.parse(date) / 1000);

/** A certificate as it was presented, believed or not. */
export const describeCertificate = (
  certificate: X509Certificate,
  device?: Pick<Device, 'id' | 'role'>,
): NonNullable<ConnectionFacts['certificate']> => ({
  ...(device === undefined ? {} : { device: device.id, role: device.role }),
  serial: normalizeSerial(certificate.serialNumber),
  issuer: printedName(certificate.issuer),
  subject: printedName(certificate.subject),
  thumbprint: certificateThumbprint(certificate.raw),
  notBefore: toSeconds(certificate.validFrom),
  notAfter: toSeconds(certificate.validTo),
});

export function buildConnectionFacts(
  start: ConnectionStart,
  socket: TLSSocket | undefined,
  certificate?: ConnectionFacts['certificate'],
): ConnectionFacts {
  const { id, startedAt, source, destination, ja4 } = start;
  const version = socket?.getProtocol() ?? undefined;
  const serverName = typeof socket?.servername === 'string' ? socket.servername : undefined;
  return {
    id,
    startedAt,
    source,
    destination,
    ...(ja4 === undefined ? {} : { ja4 }),
    ...(socket === undefined || version === undefined
      ? {}
      : {
          tls: {
            version,
            cipher: socket.getCipher()?.standardName ?? '',
            ...(serverName === undefined || serverName === '' ? {} : { serverName }),
            ...(typeof socket.alpnProtocol === 'string' ? { alpn: socket.alpnProtocol } : {}),
          },
        }),
    ...(certificate === undefined ? {} : { certificate }),
  };
}
