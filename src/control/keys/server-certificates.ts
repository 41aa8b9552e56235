import type { AuthorityCertificate } from '../../../certs/authority.ts';
import { issueServerCertificate } from './server-certificate.ts';
import type { ServerCertificate } from './server-certificate.ts';

/** A certificate that is issued anew before it expires, while its server runs. */
export interface KeptCertificate {
  readonly current: ServerCertificate;
  /** Issues the next one if it is time, and tells. `now` in epoch seconds. */
  renewIfDue(now: number): Promise<void>;
}

export interface KeptCertificateOptions {
  readonly authority: AuthorityCertificate;
  readonly rootPem: string;
  readonly profile: 'gateway' | 'control' | 'policy';
  /** DNS names and numeric addresses. */
  readonly names: readonly string[];
  readonly onRenewed: (certificate: ServerCertificate) => void;
  /** Epoch seconds. */
  readonly now: number;
}

export async function keepCertificate(options: KeptCertificateOptions): Promise<KeptCertificate> {
  const { authority, rootPem, profile, names, onRenewed } = options;
  let current = await issueServerCertificate(authority, rootPem, profile, names, options.now);
  return {
    get current() {
      return current;
    },
    async renewIfDue(now) {
      if (now < current.renewAt) return;
      current = await issueServerCertificate(authority, rootPem, profile, names, now);
      onRenewed(current);
    },
  };
}
