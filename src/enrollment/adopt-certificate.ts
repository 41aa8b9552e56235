import type { X509Certificate } from 'node:crypto';
import { checkDeviceCertificate } from '../../certs/device-certificate.ts';
import { backdatedSeconds } from '../../certs/profiles.ts';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import { isManagedDevice } from '../domain/device.ts';
import type { DeviceId } from '../domain/ids.ts';
import type { VerifiedCertificate } from '../domain/subject.ts';
import { identifyDevice, isManagedCertificate } from '../identity/device-identity.ts';
import type { IdentifyOptions } from '../identity/device-identity.ts';
import type { Change, ControlStore } from './control-store.ts';
import { maxLiveCertificates } from './renew.ts';

interface Asked extends Pick<IdentifyOptions, 'roles' | 'managedAuthorityPem'> {
  /** Epoch seconds. */
  readonly now: number;
}

/**
 * Takes up a certificate of ours that the ledger does not know because it was issued after the backup that was restored:
 * the laptop renewed it meanwhile, threw the old one away, and would otherwise stand outside until someone enrolls it
 * again. Only for a device that the ledger knows and that is neither revoked nor lost, and only for certificates issued
 * in the time that the ledger lost. The handshake has verified the certificate's chain.
 */
export function adoptCertificate(
  store: ControlStore,
  certificate: X509Certificate,
  asked: Asked,
): Promise<VerifiedCertificate | Refusal> {
  return store.commit('postern:restore', (state) => decideAdoption(state, certificate, asked));
}

/** The same as a decision over the state. */
export function decideAdoption(
  state: ControlState,
  certificate: X509Certificate,
  { now, ...options }: Asked,
): Change<VerifiedCertificate> | Refusal {
  const identified = identifyDevice(certificate, state, now, options);
  // Another request of the same laptop was first.
  if (!('code' in identified)) return { events: [], value: identified };
  if (identified.code !== 'certificate-unknown') return identified;
  const isManaged = isManagedCertificate(certificate, options.managedAuthorityPem);
  const checked = checkDeviceCertificate(certificate, { domain: state.domain, now, isManaged });
  if (!checked.ok) return refuse(checked.problem, checked.detail);
  const { serial, thumbprint, issuer, notBefore, notAfter } = checked;
  const id = checked.device as DeviceId;
  const issuedAt = notBefore + backdatedSeconds;
  const device = state.devices.get(id);
  if (device !== undefined && isManagedDevice(device) !== isManaged) return identified;
  const live = device?.certificates.filter((known) => known.notAfter >= now).length ?? 0;
  const isLost = state.lostTimes.some(({ from, to }) => from <= issuedAt && issuedAt <= to);
  if (!isLost || live >= maxLiveCertificates) return identified;
  const issued = { serial, thumbprint, notAfter, ...(isManaged ? { managed: true as const } : {}) };
  return {
    events: [{ type: 'device-certificate-renewed', device: id, certificate: issued }],
    value: { device: id, serial, thumbprint, issuer, notBefore, notAfter },
  };
}
