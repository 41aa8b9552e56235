import { revocationListPem, signRevocationList } from '../../../certs/revocation-list.ts';
import type { RevokedCertificate } from '../../../certs/revocation-list.ts';
import type { AuthorityCertificate } from '../../../certs/signer.ts';
import type { ControlState } from '../../domain/control-state.ts';
import { revokedCertificates } from '../../enrollment/revoked-certificates.ts';

export interface RevocationList {
  readonly der: Buffer;
  readonly pem: string;
}

/** The revocation list as it is now: it has every revocation that this control plane knows of. */
export interface PublishedRevocationList {
  current(): Promise<RevocationList>;
}

/** How long others may go on with a list. One that is half as old is made anew, so that nobody ever gets a stale one. */
const lifetimeSeconds = 86_400;

/**
 * Makes the list when somebody asks and what it says has changed or is half its life old: strangers may ask as often as
 * they like, and each revocation costs one signature. The number is the ledger's sequence and then the time, so it only
 * grows, whichever of several control planes is asked, and a higher one never knows of fewer revocations.
 */
export function createRevocationList(parts: {
  readonly authority: AuthorityCertificate;
  /** Whether that is the one of managed devices. */
  readonly isManaged?: boolean;
  readonly state: () => Pick<ControlState, 'devices' | 'head'>;
  /** Epoch seconds. */
  readonly now: () => number;
}): PublishedRevocationList {
  let made:
    | {
        readonly list: Promise<RevocationList>;
        readonly revoked: readonly RevokedCertificate[];
        readonly thisUpdate: number;
      }
    | undefined;
  let looked = -1;

  const isGood = (now: number, sequence: number): boolean => {
    if (made === undefined || now >= made.thisUpdate + lifetimeSeconds / 2) return false;
    if (sequence === looked) return true;
    return isSame(made.revoked, revokedCertificates(parts.state(), now, parts.isManaged === true));
  };

  return {
    current() {
      const now = Math.max(parts.now(), made?.thisUpdate ?? 0);
      const { sequence } = parts.state().head;
      if (made === undefined || !isGood(now, sequence)) {
        const revoked = revokedCertificates(parts.state(), now, parts.isManaged === true);
        const number = (BigInt(sequence) << 32n) | BigInt(now);
        const content = { number, thisUpdate: now, nextUpdate: now + lifetimeSeconds, revoked };
        const list = signRevocationList(parts.authority, content).then((der) => ({
          der,
          pem: revocationListPem(der),
        }));
        made = { list, revoked, thisUpdate: now };
        // One that could not be signed is not kept.
        list.catch(() => (made = undefined));
      }
      looked = sequence;
      return made.list;
    },
  };
}

const isSame = (a: readonly RevokedCertificate[], b: readonly RevokedCertificate[]): boolean =>
  a.length === b.length && a.every(({ serial }, index) => serial === b[index]?.serial);
