import type { ControlState } from '../domain/control-state.ts';
import type { AccessFacts, DenialReason } from '../domain/decision.ts';
import type { Device } from '../domain/device.ts';
import { isSignInEnded } from '../domain/sign-in.ts';
import { isMachineName, machineName } from '../domain/subject.ts';

/** What the state itself refuses before any policy is asked, and the device where it does not. */
export type StateCheck =
  | { readonly reason: DenialReason; readonly device?: Device }
  | { readonly reason?: undefined; readonly device: Device };

/**
 * Made anew for each decision, outside every cache: a revoked device, a certificate that left the books, a token
 * that expired. The first that fails is the reason; what is final comes before what can be mended. A device in quarantine
 * passes: what it may still do is for the policies that speak of it.
 */
export function checkState(
  { subject: { certificate, token }, app, now }: AccessFacts,
  state: ControlState,
  isCurrentApp: (app: AccessFacts['app']) => boolean,
): StateCheck {
  const device = state.devices.get(certificate.device);
  // A connector's certificate opens the connector port and nothing else.
  if (device === undefined || device.role === 'connector') return { reason: 'device-unknown' };
  if (device.state === 'revoked') return { reason: 'device-revoked', device };
  if (device.state === 'lost') return { reason: 'device-lost', device };
  const issued = device.certificates.find(({ thumbprint }) => thumbprint === certificate.thumbprint);
  // The handshake saw it valid, but a flow may outlive the certificate that it began with.
  if (issued === undefined || issued.notAfter <= now) return { reason: 'certificate-unknown', device };
  if (token.device !== certificate.device) return { reason: 'user-mismatch', device };
  // A machine asks under its own name, and nobody else under the name of one.
  const isOwnName =
    device.role === 'machine'
      ? token.user === machineName(state.domain, device.id)
      : !isMachineName(token.user);
  if (!isOwnName) return { reason: 'user-mismatch', device };
  if (token.expiresAt <= now) return { reason: 'token-expired', device };
  if (token.signIn !== undefined && isSignInEnded(state.endedSignIns, token.signIn.id))
    return { reason: 'sign-in-ended', device };
  if (!isCurrentApp(app)) return { reason: 'application-removed', device };
  if (device.state === 'enrolled') return { reason: 'posture-awaited', device };
  return { device };
}
