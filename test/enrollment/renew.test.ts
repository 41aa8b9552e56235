import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyAndRequest, createRequest } from '../../certs/request.ts';
import type { Refusal } from '../../src/contract/refusals.ts';
import type { ChosenState } from '../../src/domain/device.ts';
import type { DeviceId, UserName } from '../../src/domain/ids.ts';
import type { VerifiedCertificate } from '../../src/domain/subject.ts';
import type { CertificateSigner } from '../../src/enrollment/certificate-signer.ts';
import { enroll } from '../../src/enrollment/enroll.ts';
import { acceptAwaited } from '../../src/enrollment/accept-posture.ts';
import { decideRenewal, maxLiveCertificates, renew } from '../../src/enrollment/renew.ts';
import type { RenewedCertificate } from '../../src/enrollment/renew.ts';
import { authoritySigner } from '../../src/enrollment/authority-signer.ts';
import { identifyDevice } from '../../src/identity/device-identity.ts';
import { renewByScep } from '../../src/enrollment/scep.ts';
import { issueManagedDevice, makeManagedAuthority } from '../lab/managed.ts';
import { openEnrollmentLab, valueOf } from './enrollment-lab.ts';
import type { EnrollmentLab } from './enrollment-lab.ts';

const now = Math.floor(Date.now() / 1000);
const day = 86_400;
let lab: EnrollmentLab;
beforeAll(async () => {
  lab = await openEnrollmentLab();
});
afterAll(() => lab.close());

interface Laptop {
  readonly id: DeviceId;
  readonly certificate: VerifiedCertificate;
  readonly publicKey: KeyObject;
  readonly keyPem: string;
}

const identify = (chainPem: string, at = now): VerifiedCertificate =>
  valueOf(identifyDevice(new X509Certificate(chainPem), lab.store.state, at));

async function enrollLaptop(): Promise<Laptop> {
  const token = await lab.newToken();
  const { privateKeyPem, csrPem } = await createKeyAndRequest();
  const enrolled = valueOf(await enroll(lab.store, lab.signer, { token, csrPem, now }));
  return {
    id: enrolled.device,
    certificate: identify(enrolled.certificateChainPem),
    publicKey: createPublicKey(privateKeyPem),
    keyPem: privateKeyPem,
  };
}
const changeState = (device: DeviceId, state: ChosenState): Promise<void> =>
  lab.commit({ type: 'device-state-changed', device, state, reason: 'test' });

async function renewWith(
  { certificate, publicKey }: Pick<Laptop, 'certificate' | 'publicKey'>,
  options: { signer?: CertificateSigner; at?: number; csrPem?: string } = {},
): Promise<RenewedCertificate | Refusal> {
  const csrPem = options.csrPem ?? (await createKeyAndRequest()).csrPem;
  const asked = {
    certificate,
    publicKey,
    csrPem,
    isManaged: false,
    graceSeconds: 30 * day,
    hasSignIn: false,
  };
  return renew(lab.store, options.signer ?? lab.signer, { ...asked, now: options.at ?? now });
}

describe('renewal', () => {
  it('gives a certificate for a new key, known beside the one that is still in force', async () => {
    const laptop = await enrollLaptop();
    const { privateKeyPem, csrPem } = await createKeyAndRequest();
    const at = now + 5 * day;
    const renewed = valueOf(await renewWith(laptop, { csrPem, at }));
    const certificate = new X509Certificate(renewed.certificateChainPem);
    expect(certificate.publicKey.equals(createPublicKey(createPrivateKey(privateKeyPem)))).toBe(true);
    expect(renewed.notAfter).toBe(at + 7 * day);
    expect(identify(renewed.certificateChainPem, at).device).toBe(laptop.id);
    expect(lab.store.state.devices.get(laptop.id)?.certificates).toHaveLength(2);
  });

  it('works with the same key', async () => {
    const laptop = await enrollLaptop();
    const csrPem = await createRequest(laptop.keyPem);
    const renewed = valueOf(await renewWith(laptop, { csrPem }));
    expect(identify(renewed.certificateChainPem).thumbprint).not.toBe(laptop.certificate.thumbprint);
  });

  it('works again with the old certificate, because the answer may have been lost', async () => {
    const laptop = await enrollLaptop();
    valueOf(await renewWith(laptop));
    const second = valueOf(await renewWith(laptop));
    expect(identify(second.certificateChainPem).device).toBe(laptop.id);
  });

  it('is refused when so many certificates are in force that something goes round in circles', async () => {
    const laptop = await enrollLaptop();
    for (let count = 1; count < maxLiveCertificates; count++) valueOf(await renewWith(laptop));
    expect(await renewWith(laptop)).toMatchObject({ code: 'rate-limited' });
    expect(lab.store.state.devices.get(laptop.id)?.certificates).toHaveLength(maxLiveCertificates);
  });

  it('is refused with a certificate that the ledger does not know', async () => {
    const { certificate, publicKey } = await enrollLaptop();
    const other = await enrollLaptop();
    const foreign = { ...certificate, thumbprint: other.certificate.thumbprint };
    expect(await renewWith({ certificate: foreign, publicKey })).toMatchObject({
      code: 'certificate-unknown',
    });
    const nobody = { ...certificate, device: 'd-nobody' as DeviceId };
    expect(await renewWith({ certificate: nobody, publicKey })).toMatchObject({ code: 'device-unknown' });
  });

  it('is refused for a request that is damaged', async () => {
    const laptop = await enrollLaptop();
    const { csrPem } = await createKeyAndRequest();
    expect(await renewWith(laptop, { csrPem: csrPem.replace('MIG', 'MIH') })).toMatchObject({
      code: 'certificate-request-invalid',
    });
  });

  it('does not end quarantine', async () => {
    const laptop = await enrollLaptop();
    await changeState(laptop.id, 'quarantined');
    valueOf(await renewWith(laptop));
    expect(lab.store.state.devices.get(laptop.id)).toMatchObject({ state: 'quarantined' });
  });

  it.each(['revoked', 'lost'] as const)('is refused to a device that is %s', async (state) => {
    const laptop = await enrollLaptop();
    await changeState(laptop.id, state);
    expect(await renewWith(laptop)).toEqual({
      code: `device-${state}`,
      detail: `${laptop.id} is ${state}`,
    });
  });

  it('is refused to a device that is revoked while its new certificate is being signed', async () => {
    const laptop = await enrollLaptop();
    const signer: CertificateSigner = {
      signDevice: async (request) => {
        await changeState(laptop.id, 'revoked');
        return lab.signer.signDevice(request);
      },
    };
    expect(await renewWith(laptop, { signer })).toMatchObject({ code: 'device-revoked' });
    expect(lab.store.state.devices.get(laptop.id)).toMatchObject({ state: 'revoked' });
    expect(lab.store.state.devices.get(laptop.id)?.certificates).toHaveLength(1);
  });
});

describe('renewal after the end of the certificate', () => {
  const atOnceAfter = ({ certificate }: Laptop): number => certificate.notAfter + 1;
  const stateOf = ({ id }: Laptop) => lab.store.state.devices.get(id);
  const reset = (laptop: Laptop): Promise<void> => changeState(laptop.id, 'active');

  it('leads into quarantine, which a person ends', async () => {
    const laptop = await enrollLaptop();
    await reset(laptop);
    const csrPem = await createRequest(laptop.keyPem);
    const at = atOnceAfter(laptop);
    const renewed = valueOf(await renewWith(laptop, { at, csrPem }));
    expect(renewed).toMatchObject({ isLate: true, notAfter: at + 7 * day });
    expect(identify(renewed.certificateChainPem, at).device).toBe(laptop.id);
    expect(stateOf(laptop)).toMatchObject({ state: 'quarantined', reason: 'grace-renewal' });
    expect(lab.store.state.deviceHistory.get(laptop.id)?.at(-1)).toMatchObject({
      by: `device:${laptop.id}`,
      state: 'quarantined',
      reason: 'grace-renewal',
    });
    await reset(laptop);
    expect(stateOf(laptop)).toMatchObject({ state: 'active', reason: 'test' });
  });

  it('does not lead into quarantine in the last second before', async () => {
    const laptop = await enrollLaptop();
    const csrPem = await createRequest(laptop.keyPem);
    const renewed = valueOf(await renewWith(laptop, { at: laptop.certificate.notAfter, csrPem }));
    expect(renewed.isLate).toBe(false);
    expect(stateOf(laptop)).toMatchObject({ state: 'enrolled' });
  });

  it('leads there also a laptop that nobody has ever seen, and its posture does not get it out', async () => {
    const laptop = await enrollLaptop();
    const csrPem = await createRequest(laptop.keyPem);
    valueOf(await renewWith(laptop, { at: atOnceAfter(laptop), csrPem }));
    valueOf(await acceptAwaited(lab.store, laptop.id));
    expect(stateOf(laptop)).toMatchObject({ state: 'quarantined', reason: 'grace-renewal' });
  });

  it('leaves a quarantine that a person set as it was', async () => {
    const laptop = await enrollLaptop();
    await changeState(laptop.id, 'quarantined');
    const csrPem = await createRequest(laptop.keyPem);
    valueOf(await renewWith(laptop, { at: atOnceAfter(laptop), csrPem }));
    expect(stateOf(laptop)).toMatchObject({
      state: 'quarantined',
      reason: 'test',
      changedBy: 'postern:test',
    });
  });

  it('is for the key of that certificate and no other', async () => {
    const laptop = await enrollLaptop();
    expect(await renewWith(laptop, { at: atOnceAfter(laptop) })).toMatchObject({
      code: 'renewal-key-differs',
    });
    expect(stateOf(laptop)).toMatchObject({ state: 'enrolled' });
  });

  it('ends with the grace, to the second', async () => {
    const laptop = await enrollLaptop();
    const csrPem = await createRequest(laptop.keyPem);
    const end = laptop.certificate.notAfter + 30 * day;
    expect(await renewWith(laptop, { at: end + 1, csrPem })).toMatchObject({ code: 'renewal-too-late' });
    expect(stateOf(laptop)).toMatchObject({ state: 'enrolled' });
    expect(valueOf(await renewWith(laptop, { at: end, csrPem }))).toMatchObject({ isLate: true });
  });

  it.each(['revoked', 'lost'] as const)('is refused to a device that is %s', async (state) => {
    const laptop = await enrollLaptop();
    await changeState(laptop.id, state);
    const csrPem = await createRequest(laptop.keyPem);
    const refused = await renewWith(laptop, { at: atOnceAfter(laptop), csrPem });
    expect(refused).toMatchObject({ code: `device-${state}` });
    expect(stateOf(laptop)?.certificates).toHaveLength(1);
  });
});

describe('a device under a device management', () => {
  /** Two doors, an authority behind each: a device renews at its own. */
  async function bothKinds() {
    const authority = await makeManagedAuthority();
    const { id, chainPem, keyPem, issued } = await issueManagedDevice(authority, `d-phone-${issuedPhones++}`);
    await lab.commit({
      type: 'device-bundle-made',
      device: id,
      user: 'alice@example.org' as UserName,
      certificate: issued,
    });
    const options = { managedAuthorityPem: authority.certificatePem };
    const certificate = valueOf(identifyDevice(new X509Certificate(chainPem), lab.store.state, now, options));
    const signer = authoritySigner(authority, 'example.org', { isManaged: true });
    const { publicKey } = new X509Certificate(chainPem);
    const byScep = (who: Pick<Laptop, 'certificate' | 'publicKey'>) =>
      renewByScep(lab.store, signer, {
        ...who,
        publicKeyPem: createPublicKey(keyPem).export({ format: 'pem', type: 'spki' }),
        now,
      });
    return { phone: { id, certificate, publicKey }, byScep };
  }
  let issuedPhones = 1;
  const authoritiesOf = (id: DeviceId): boolean[] | undefined =>
    lab.store.state.devices.get(id)?.certificates.map(({ managed }) => managed === true);

  it('renews by SCEP, and is refused by the authority of the others, in time and late', async () => {
    const { phone, byScep } = await bothKinds();
    const refused = {
      code: 'renewal-elsewhere',
      detail: `${phone.id} is under a device management`,
    };
    expect(await renewWith(phone)).toEqual(refused);
    expect(await renewWith(phone, { at: phone.certificate.notAfter + 1 })).toEqual(refused);
    expect(authoritiesOf(phone.id)).toEqual([true]);
    valueOf(await byScep(phone));
    expect(authoritiesOf(phone.id)).toEqual([true, true]);
  });

  it('shares its authority with no laptop that renews by SCEP', async () => {
    const { byScep } = await bothKinds();
    const laptop = await enrollLaptop();
    expect(await byScep(laptop)).toEqual({
      code: 'renewal-elsewhere',
      detail: `${laptop.id} is not under a device management`,
    });
    valueOf(await renewWith(laptop));
    expect(authoritiesOf(laptop.id)).toEqual([false, false]);
  });

  it('is not moved by a signature that was made while its state was another', async () => {
    const { phone } = await bothKinds();
    const isManaged = false;
    const asked = { ...phone, isManaged, graceSeconds: 0, hasSignIn: false, now };
    const { chainPem, issued } = await lab.signer.signDevice({
      device: phone.id,
      role: 'laptop',
      publicKeyPem: createPublicKey((await createKeyAndRequest()).privateKeyPem).export({
        format: 'pem',
        type: 'spki',
      }),
      now,
    });
    expect(decideRenewal(lab.store.state, asked, { chainPem, issued })).toMatchObject({
      code: 'renewal-elsewhere',
    });
  });
});
