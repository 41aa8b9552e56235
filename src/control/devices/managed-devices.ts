import type { AuthorityCertificate } from '../../../certs/signer.ts';
import type { ControlState } from '../../domain/control-state.ts';
import { authoritySigner } from '../../enrollment/authority-signer.ts';
import type { CertificateSigner } from '../../enrollment/certificate-signer.ts';
import type { ScepParts } from './answer-scep.ts';
import { createRevocationList } from './revocation-list.ts';
import type { PublishedRevocationList } from './revocation-list.ts';

/** What the control plane needs for devices under a device management. */
export interface ManagedDevices {
  readonly authorityPem: string;
  readonly signer: CertificateSigner;
  readonly revocationList: PublishedRevocationList;
  /** Where they get their certificates by SCEP. */
  readonly scep: ScepParts | undefined;
}

export function createManagedDevices(parts: {
  readonly authority: AuthorityCertificate;
  readonly state: () => ControlState;
  /** Epoch seconds. */
  readonly now: () => number;
  readonly scep?: ScepParts | undefined;
}): ManagedDevices {
  const { authority, state, now, scep } = parts;
  return {
    authorityPem: authority.certificatePem,
    signer: authoritySigner(authority, state().domain, { isManaged: true }),
    revocationList: createRevocationList({ authority, isManaged: true, state, now }),
    scep,
  };
}
