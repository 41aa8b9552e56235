/** What each kind of certificate is, as data. The issuer writes it; `checkDeviceCertificate` demands the same. */
export type ProfileName = 'device' | 'managed' | 'connector' | 'gateway' | 'app' | 'control' | 'policy';

export interface CertificateProfile {
  /** Which authority may issue it; the authorities themselves are constrained to this purpose. */
  readonly purpose: 'clientAuth' | 'serverAuth';
  readonly lifetimeSeconds: number;
  /** `spiffe`: exactly one URI. `service`: DNS names and numeric addresses. */
  readonly names: 'spiffe' | 'service';
  /** What key it certifies: its issuer has one of the same kind. */
  readonly key: 'p256' | 'rsa';
  /** What alone it may be used for, where that is less than its purpose: what serves TLS never signs for laptops. */
  readonly usage?: string;
  /** Common name where the subject has none of its own. */
  readonly title: string;
}

const day = 86_400;

/** Extended key usage of what signs the firewalls of laptops: an arc of a UUID of our own (ITU-T X.667). */
export const policySigningOid = '2.25.190838402945108721653387194026617512346';

export const profiles: Readonly<Record<ProfileName, CertificateProfile>> = {
  device: {
    purpose: 'clientAuth',
    lifetimeSeconds: 7 * day,
    names: 'spiffe',
    key: 'p256',
    title: 'Postern device',
  },
  // A device management renews when it finds the time, and some only when a person pushes a button.
  managed: {
    purpose: 'clientAuth',
    lifetimeSeconds: 90 * day,
    names: 'spiffe',
    key: 'rsa',
    title: 'Postern device',
  },
  connector: {
    purpose: 'clientAuth',
    lifetimeSeconds: 7 * day,
    names: 'spiffe',
    key: 'p256',
    title: 'Postern connector',
  },
  gateway: {
    purpose: 'serverAuth',
    lifetimeSeconds: 30 * day,
    names: 'service',
    key: 'p256',
    title: 'Postern gateway',
  },
  app: {
    purpose: 'serverAuth',
    lifetimeSeconds: 7 * day,
    names: 'service',
    key: 'p256',
    title: 'Postern application',
  },
  control: {
    purpose: 'serverAuth',
    lifetimeSeconds: 30 * day,
    names: 'service',
    key: 'p256',
    title: 'Postern control',
  },
  policy: {
    purpose: 'serverAuth',
    lifetimeSeconds: 30 * day,
    names: 'service',
    key: 'p256',
    usage: policySigningOid,
    title: 'Postern policy',
  },
};

/** Certificates begin this much before they are made, so that a laptop whose clock is behind can use one at once. */
export const backdatedSeconds = 300;

export const purposeOid = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const;

/** When to renew: at two thirds of the lifetime, which leaves a holiday's last third to try again. Epoch seconds. */
export const renewalTime = (validity: { readonly notBefore: number; readonly notAfter: number }): number =>
  validity.notBefore + Math.floor(((validity.notAfter - validity.notBefore) * 2) / 3);
