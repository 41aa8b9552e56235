import type { FastifyBaseLogger } from 'fastify';
import { X509Certificate } from 'node:crypto';
import { renewalTime } from '../../../certs/profiles.ts';
import type { MessageSigner } from '../../../certs/scep/message.ts';
import { createRegistrationAuthority } from '../../../certs/scep/registration-authority.ts';
import type { RegistrationAuthority } from '../../../certs/scep/registration-authority.ts';
import type { AuthorityCertificate } from '../../../certs/signer.ts';
import type { FleetingStore } from '../fleeting/fleeting-store.ts';
import { openRegistrationFiles } from './registration-files.ts';
import type { KeptRegistration } from './registration-files.ts';
import { openAnswer, sealAnswer } from '../api/seal-answer.ts';

/** The keys and certificates that SCEP speaks with. */
export interface RegistrationAuthorities {
  /** What devices are given to write to. */
  current(): MessageSigner;
  /** Whose messages are read: the current one, and those before it until their end. Newest first; `now` in epoch seconds. */
  accepted(now: number): readonly MessageSigner[];
  /** Makes the next one well before the end of the current, and throws away what has ended. `now` in epoch seconds. */
  renewIfDue(now: number): Promise<void>;
}

const sharedKey = 'newest';
const sharedMs = 86_400_000;

/**
 * Opens those of this server, and makes one where there is none. Servers on one Redis give each other their newest, sealed
 * with the authority's own key, which they all have: a device may get the certificate from one and write to another.
 * @throws KeyFileError, DataDirectoryError
 */
export async function openRegistrationAuthorities(parts: {
  readonly directory: string;
  readonly passphrase: string | undefined;
  /** Of managed devices. */
  readonly authority: AuthorityCertificate;
  readonly domain: string;
  readonly shared: FleetingStore;
  /** Epoch seconds. */
  readonly now: number;
  readonly logger: Pick<FastifyBaseLogger, 'info'>;
}): Promise<RegistrationAuthorities> {
  const { authority, shared, domain, logger } = parts;
  const files = openRegistrationFiles(parts.directory, parts.passphrase, authority.certificatePem);
  const authorityEnds = Date.parse(new X509Certificate(authority.certificatePem).validTo) / 1000;
  let kept = await files.list();
  const arrange = (all: readonly KeptRegistration[]): void => {
    kept = all.toSorted((a, b) => b.notBefore - a.notBefore || (nameOf(a) < nameOf(b) ? -1 : 1));
  };
  arrange(kept);

  const adopt = async (): Promise<void> => {
    const sealed = await shared.get(sharedKey);
    const opened = sealed === undefined ? undefined : openAnswer(sealed, authority.privateKeyPem, sharedKey);
    if (opened === undefined) return;
    const other = JSON.parse(opened) as RegistrationAuthority;
    if (kept.some(({ certificatePem }) => certificatePem === other.certificatePem)) return;
    arrange([...kept, await files.add(other)]);
    logger.info('certificate of SCEP taken over from another server');
  };
  const offer = async ({ certificatePem, privateKeyPem }: RegistrationAuthority): Promise<void> => {
    const text = JSON.stringify({ certificatePem, privateKeyPem } satisfies RegistrationAuthority);
    await shared.put(sharedKey, sealAnswer(text, authority.privateKeyPem, sharedKey), sharedMs);
  };
  const renewIfDue = async (now: number): Promise<void> => {
    await adopt();
    const [newest] = kept;
    // At the very end of the authority's own life nothing that lasts longer can be had of it.
    if (newest === undefined || (now >= renewalTime(newest) && newest.notAfter < authorityEnds)) {
      arrange([...kept, await files.add(await createRegistrationAuthority(authority, { domain, now }))]);
      logger.info('certificate of SCEP made');
    }
    for (const ended of kept.slice(1).filter(({ notAfter }) => notAfter < now)) {
      await files.delete(ended);
      arrange(kept.filter((other) => other !== ended));
    }
    const [current] = kept;
    if (current !== undefined) await offer(current);
  };
  await renewIfDue(parts.now);

  return {
    current() {
      const [newest] = kept;
      if (newest === undefined) throw new TypeError('no registration authority');
      return newest;
    },
    accepted: (now) => kept.filter(({ notAfter }) => now <= notAfter),
    renewIfDue,
  };
}

const nameOf = ({ certificate }: KeptRegistration): string => certificate.serialNumber;
