import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { parseSpiffeUri } from '../../../certs/spiffe.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { ControlState } from '../../domain/control-state.ts';
import { finalStates } from '../../domain/device.ts';
import type { Device } from '../../domain/device.ts';
import type { ConnectionFacts } from '../../domain/flow.ts';
import type { DeviceId } from '../../domain/ids.ts';
import type { VerifiedCertificate } from '../../domain/subject.ts';
import type { IdentifyOptions } from '../../identity/device-identity.ts';
import { identifyDevice as identify } from '../../identity/device-identity.ts';
import { buildConnectionFacts, describeCertificate } from '../listener/connection-facts.ts';
import type { ConnectionStart } from '../listener/connection-facts.ts';

export interface Identified {
  readonly facts: ConnectionFacts;
  readonly certificate: VerifiedCertificate | Refusal;
}

/**
 * Whose connection this is, once OpenSSL has verified the chain: our narrow profile, issued by the ledger, not revoked.
 * Once for each connection, resumed or not; each decision looks at the device again.
 */
export function identifyDevice(
  socket: TLSSocket,
  start: ConnectionStart,
  state: ControlState,
  now: number,
  options: Pick<IdentifyOptions, 'managedAuthorityPem'>,
): Identified {
  const presented = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (presented === undefined) {
    return { facts: buildConnectionFacts(start, socket), certificate: refuse('certificate-missing') };
  }
  const certificate = identify(presented, state, now, { managedAuthorityPem: options.managedAuthorityPem });
  const facts = buildConnectionFacts(
    start,
    socket,
    describeCertificate(presented, deviceOf(presented, certificate, state)),
  );
  return { facts, certificate };
}

/**
 * Who it is for the record. A device that is revoked or lost has proven that too: the SOC looks for a stolen laptop by its
 * name. Of any other refusal nothing is sure.
 */
function deviceOf(
  presented: X509Certificate,
  identified: VerifiedCertificate | Refusal,
  { domain, devices }: ControlState,
): Device | undefined {
  if (!('code' in identified)) return devices.get(identified.device);
  if (!Object.values<string>(finalStates).includes(identified.code)) return undefined;
  const [, uri = ''] = /^URI:(\S+)$/.exec(presented.subjectAltName ?? '') ?? [];
  return devices.get(parseSpiffeUri(uri, domain)?.id as DeviceId);
}
