import type { TLSSocket } from 'node:tls';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { ControlState } from '../../domain/control-state.ts';
import type { ConnectionFacts } from '../../domain/flow.ts';
import type { VerifiedCertificate } from '../../domain/subject.ts';
import type { IdentifyOptions } from '../../identity/device-identity.ts';
import { identifyDevice as identify } from '../../identity/device-identity.ts';
import { buildConnectionFacts, describeCertificate } from '../connection-facts.ts';
import type { ConnectionStart } from '../connection-facts.ts';

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
    describeCertificate(presented, 'code' in certificate ? undefined : state.devices.get(certificate.device)),
  );
  return { facts, certificate };
}
