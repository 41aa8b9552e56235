import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { toDer } from '../../../certs/ber.ts';
import { DerError } from '../../../certs/der.ts';
import { CertificateRequestError } from '../../../certs/request.ts';
import { parseChallengedRequest } from '../../../certs/rsa-request.ts';
import {
  openEnvelope,
  readEnvelope,
  sealEnvelope,
  UnsupportedAlgorithm,
} from '../../../certs/scep/enveloped-data.ts';
import type { Envelope } from '../../../certs/scep/enveloped-data.ts';
import { failInfo, writeCertRep } from '../../../certs/scep/message.ts';
import type { FailInfo, MessageSigner, ScepRequest } from '../../../certs/scep/message.ts';
import { certificatesOnly } from '../../../certs/scep/signed-data.ts';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { DeviceId } from '../../domain/ids.ts';
import type { VerifiedCertificate } from '../../domain/subject.ts';
import { enrollByScep, renewByScep } from '../../enrollment/scep.ts';
import { identifyDevice, isManagedCertificate } from '../../identity/device-identity.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlParts } from '../api/control-parts.ts';
import type { FleetingStore } from '../fleeting/fleeting-store.ts';
import type { ManagedDevices } from './managed-devices.ts';
import { isRefusal } from '../api/refused.ts';
import type { RegistrationAuthorities } from './registration-authorities.ts';

export interface ScepParts {
  readonly registrations: RegistrationAuthorities;
  /** Renewals that were answered, so that one that is recorded is not answered again. */
  readonly renewals: FleetingStore;
}

/** The one answer to a request, and why it was refused: the peer learns only that it was. */
export interface ScepAnswer {
  readonly certRep: Buffer;
  readonly refusal: Refusal | undefined;
  /** Whose certificate is in it. */
  readonly device?: DeviceId;
}

/** RFC 8894, section 3.2.1.2. Each other type is refused before anything of it is opened (CVE-2026-30836). */
const messageTypes = { '17': 'renewal', '19': 'enrollment' } as const;
const renewalMemoryMs = 90 * 86_400_000;

interface Certified {
  readonly certificateChainPem: string;
}

/**
 * Answers a message whose signature was verified. A failure is `badRequest` whatever it was: what differed between a
 * key that does not unwrap, a padding, a request and a challenge would be read off by whoever sends an envelope again in guises.
 */
export async function answerScep(
  parts: ControlParts,
  managed: ManagedDevices,
  { registrations, renewals }: ScepParts,
  request: ScepRequest,
): Promise<ScepAnswer> {
  // Whoever wrote to an earlier one is answered by that.
  let registration: MessageSigner = registrations.current();
  const fail = (refusal: Refusal, failure: FailInfo = failInfo.badRequest): ScepAnswer => ({
    certRep: writeCertRep(registration, request, { failure }),
    refusal,
  });
  const { messageType, signer } = request;
  const kind = Object.hasOwn(messageTypes, messageType)
    ? messageTypes[messageType as keyof typeof messageTypes]
    : undefined;
  if (kind === undefined) return fail(refuse('scep-message-invalid', `message type ${messageType}`));
  const now = nowSeconds(parts);
  const device = kind === 'renewal' ? identifySigner(parts, managed, signer, now) : undefined;
  if (isRefusal(device)) return fail(device);
  if (device === undefined && !isSelfSigned(signer))
    return fail(refuse('scep-message-invalid', 'an enrollment that is signed with a certificate of others'));

  let envelope: Envelope;
  try {
    const accepted = registrations.accepted(now);
    envelope = readEnvelope(
      request.content(),
      accepted.map(({ certificate }) => certificate),
    );
    registration = accepted.find(({ certificate }) => certificate === envelope.recipient) ?? registration;
  } catch (error) {
    if (error instanceof UnsupportedAlgorithm)
      return fail(refuse('scep-message-invalid', error.message), failInfo.badAlg);
    if (error instanceof DerError) return fail(refuse('scep-message-invalid', error.message));
    throw error;
  }
  const asked = readRequestInside(openEnvelope(envelope, registration.privateKey));
  if (isRefusal(asked)) return fail(asked);
  const { publicKeyPem, challenge = '' } = asked;

  let certified: Certified | Refusal;
  let id: DeviceId | undefined;
  if (device === undefined) {
    // Else somebody else's request could be sent on under a key of one's own, and its answer be read.
    if (!createPublicKey(publicKeyPem).equals(signer.publicKey))
      return fail(
        refuse('certificate-request-invalid', 'the message is signed by another key than its request'),
      );
    const enrolled = await enrollByScep(parts.store, managed.signer, { publicKeyPem, challenge, now });
    if (!isRefusal(enrolled)) id = enrolled.device;
    certified = enrolled;
  } else {
    id = device.device;
    const once = createHash('sha256').update(request.signature).digest('base64url');
    if ((await renewals.claim(once, device.device, renewalMemoryMs)) !== undefined)
      return fail(refuse('scep-message-invalid', `renewal of ${device.device} sent again`));
    const { publicKey } = signer;
    certified = await renewByScep(parts.store, managed.signer, {
      publicKeyPem,
      certificate: device,
      publicKey,
      now,
    });
    // A device sends the very same message again: it must not find it used up by a ledger that was away.
    if (isRefusal(certified) && certified.code === 'store-unavailable') await renewals.drop(once);
  }
  if (isRefusal(certified)) return fail(certified);
  const chain = certified.certificateChainPem
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .map((pem) => new X509Certificate(pem).raw);
  const sealed = sealEnvelope(certificatesOnly(chain), signer, envelope.lock);
  return {
    certRep: writeCertRep(registration, request, { envelope: sealed }),
    refusal: undefined,
    ...(id === undefined ? {} : { device: id }),
  };
}

/** Whose certificate signed a renewal: one that the authority of managed devices issued, and as at any other door from there. */
function identifySigner(
  parts: ControlParts,
  { authorityPem }: ManagedDevices,
  signer: X509Certificate,
  now: number,
): VerifiedCertificate | Refusal {
  if (!isManagedCertificate(signer, authorityPem))
    return refuse('certificate-untrusted', 'a renewal that is signed with a certificate of others');
  return identifyDevice(signer, parts.store.state, now, { managedAuthorityPem: authorityPem });
}

const isSelfSigned = (certificate: X509Certificate): boolean =>
  certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);

function readRequestInside(opened: Buffer | undefined): ReturnType<typeof parseChallengedRequest> | Refusal {
  if (opened === undefined) return refuse('scep-message-invalid', 'the envelope does not open');
  try {
    return parseChallengedRequest(toDer(opened));
  } catch (error) {
    if (error instanceof CertificateRequestError || error instanceof DerError)
      return refuse('certificate-request-invalid', error.message);
    throw error;
  }
}
