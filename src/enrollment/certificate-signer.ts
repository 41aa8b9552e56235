import type { DeviceRole, IssuedCertificate } from '../domain/device.ts';
import type { DeviceId } from '../domain/ids.ts';

export interface SignedCertificate {
  /** PEM: the leaf, then the device authority. */
  readonly chainPem: string;
  /** As the ledger keeps it. */
  readonly issued: IssuedCertificate;
}

/** Turns a proven public key into a certificate of a device: the only thing that enrollment wants of an authority. */
export interface CertificateSigner {
  signDevice(request: {
    readonly device: DeviceId;
    readonly role: DeviceRole;
    readonly publicKeyPem: string;
    /** Epoch seconds. */
    readonly now: number;
  }): Promise<SignedCertificate>;
}
