import { isIP } from 'node:net';
import type { ConnectionFacts, Endpoint, FlowFacts } from '../../domain/flow.ts';
import { isMachineName, recordedName } from '../../domain/subject.ts';
import type { Subject } from '../../domain/subject.ts';
import { bound, textLimits } from './safe-text.ts';

/** The parties of a flow as OCSF objects: users, devices, certificates, endpoints. Unknown ones are said to be unknown. */

/** OCSF has one attribute for addresses and no room for a zone behind them. */
export function addressMember(address: string): { ip?: string } {
  const [bare = ''] = address.split('%');
  return isIP(bare) === 0 ? {} : { ip: bare };
}

/** An endpoint always has one of the attributes that the schema asks for, even when the socket had no address left. */
export function endpointObject({ address, port }: Endpoint): object {
  const ip = addressMember(address);
  return { ...(ip.ip === undefined ? { name: 'unknown' } : ip), port };
}

/** Who authenticated. A machine does so as what OCSF calls a service. */
export function userObject(subject: Subject | undefined): object {
  if (subject === undefined) return { name: 'unknown', type: 'Unknown', type_id: 0 };
  const name = bound(recordedName(subject), textLimits.host);
  const kind = isMachineName(name) ? { type: 'Service', type_id: 4 } : { type: 'User', type_id: 1 };
  return { name, uid: name, ...kind };
}

/** Who acts: a user in a session, or the session of a machine that has no user. */
export function actorObject(subject: Subject | undefined): object {
  if (subject === undefined) return { user: userObject(subject) };
  const session = sessionObject(subject);
  return isMachineName(subject.token.user) ? { session } : { user: userObject(subject), session };
}

/** A session is known by its token's id, which opens nothing; the token itself is never here. */
export const sessionObject = ({ token }: Subject): object => ({
  uid: bound(token.id, textLimits.host),
  created_time: token.issuedAt * 1000,
  expiration_time: token.expiresAt * 1000,
});

/** What agents call a system that is no Linux; on Linux it is the distribution: debian, fedora … */
const osTypes: Readonly<Record<string, number>> = { windows: 100, android: 201, macos: 300 };
const linux = 200;

export function deviceObject(connection: ConnectionFacts, subject: Subject | undefined): object {
  const uid = subject?.certificate.device ?? connection.certificate?.device;
  const source = addressMember(connection.source.address);
  if (uid === undefined) {
    const known = source.ip === undefined ? { name: 'unknown' } : source;
    return { ...known, type: 'Unknown', type_id: 0 };
  }
  const posture = subject?.token.posture;
  return {
    uid: bound(uid, textLimits.host),
    ...source,
    ...(connection.certificate?.role === 'machine'
      ? { type: 'IOT', type_id: 7 }
      : { type: 'Laptop', type_id: 3 }),
    ...(posture === undefined
      ? {}
      : {
          os: {
            name: bound(posture.os, 64),
            type_id: osTypes[posture.os.toLowerCase()] ?? linux,
            version: bound(posture.osVersion, 64),
            ...(posture.kernelVersion === undefined
              ? {}
              : { kernel_release: bound(posture.kernelVersion, 128) }),
          },
          agent_list: [{ name: 'postern-agent', version: bound(posture.agentVersion, 64) }],
        }),
  };
}

/** As a SOC and its tools write and look for fingerprints. */
const hexadecimal = (thumbprint: string): string => Buffer.from(thumbprint, 'base64url').toString('hex');

type PresentedCertificate = NonNullable<ConnectionFacts['certificate']>;

export const certificateObject = (certificate: PresentedCertificate): object => ({
  serial_number: bound(certificate.serial, textLimits.serial),
  issuer: bound(certificate.issuer, textLimits.certificateName),
  ...(certificate.subject === undefined
    ? {}
    : { subject: bound(certificate.subject, textLimits.certificateName) }),
  created_time: certificate.notBefore * 1000,
  expiration_time: certificate.notAfter * 1000,
  fingerprints: [{ algorithm: 'SHA-256', algorithm_id: 3, value: hexadecimal(certificate.thumbprint) }],
});

export const tlsObject = ({ tls, certificate }: ConnectionFacts): object | undefined =>
  tls && {
    version: tls.version,
    cipher: tls.cipher,
    ...(tls.serverName === undefined ? {} : { sni: bound(tls.serverName, textLimits.host) }),
    ...(certificate === undefined ? {} : { certificate: certificateObject(certificate) }),
  };

/** OCSF has the fingerprints of a connection beside its TLS, not in it. */
export const fingerprintMember = ({ ja4 }: ConnectionFacts): object =>
  ja4 === undefined
    ? {}
    : {
        ja4_fingerprint_list: [
          {
            type: 'JA4',
            type_id: 1,
            value: ja4.value,
            section_a: ja4.a,
            section_b: ja4.b,
            section_c: ja4.c,
          },
        ],
      };

/**
 * `host` and `port` of an authority as a client wrote it. Whatever stands before an `@` is a password and is dropped; so is what
 * careless programs leave behind the host of an address, `/path?query` (RFC 3986, section 3.2).
 */
export function splitAuthority(authority: string): { host: string; port?: number } {
  const end = authority.search(/[/\\?#]/);
  const name = end === -1 ? authority : authority.slice(0, end);
  // An `@` behind that belongs to a password with a delimiter in it, or to a query: nobody can tell which part is the host.
  const named = end !== -1 && authority.includes('@', end) ? '' : name.slice(name.lastIndexOf('@') + 1);
  const [, host = named, portText] = /^(.*?)(?::([0-9]{1,5}))?$/s.exec(named) ?? [];
  const port = Number(portText);
  const bounded = bound(host, textLimits.host);
  return portText === undefined || port > 65_535 ? { host: bounded } : { host: bounded, port };
}

/** Where the flow went, or would have gone: the application, its network, and the address that was really dialled. */
export function targetObject({ app, upstream, request, connection }: FlowFacts): object {
  const asked = request === undefined ? undefined : splitAuthority(request.authority);
  // A request that could not be read has an empty authority.
  const hostname = app?.host ?? (asked?.host || connection.tls?.serverName);
  const port = upstream?.port ?? asked?.port;
  return {
    hostname: bound(hostname === undefined || hostname === '' ? 'unknown' : hostname, textLimits.host),
    ...(upstream === undefined ? {} : addressMember(upstream.address)),
    ...(port === undefined ? {} : { port }),
    ...(app === undefined ? {} : { svc_name: app.name, zone: app.network }),
  };
}
