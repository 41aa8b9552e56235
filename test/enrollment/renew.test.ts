import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyAndRequest, createRequest } from '../../certs/request.ts';
import type { Refusal } from '../../src/contract/refusals.ts';
import type { ChosenState } from '../../src/domain/device.ts';
import type { DeviceId } from '../../src/domain/ids.ts';
import type { VerifiedCertificate } from '../../src/domain/subject.ts';
import type { CertificateSigner } from '../../src/enrollment/certificate-signer.ts';
import { enroll } from '../../src/enrollment/enroll.ts';
import { maxLiveCertificates, renew } from '../../src/enrollment/renew.ts';
import type { RenewedCertificate } from '../../src/enrollment/renew.ts';
import { identifyDevice } from '../../src/identity/device-identity.ts';
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
  readonly keyPem: string;
}

const identify = (chainPem: string, at = now): VerifiedCertificate =>
  valueOf(identifyDevice(new X509Certificate(chainPem), lab.store.state, at));

async function enrollLaptop(): Promise<Laptop> {
  const token = await lab.newToken();
  const { privateKeyPem, csrPem } = await createKeyAndRequest();
  const enrolled = valueOf(await enroll(lab.store, lab.signer, { token, csrPem, now }));
  return { id: enrolled.device, certificate: identify(enrolled.certificateChainPem), keyPem: privateKeyPem };
}
const changeState = (device: DeviceId, state: ChosenState): Promise<void> =>
  lab.commit({ type: 'device-state-changed', device, state, reason: 'test' });

async function renewWith(
  certificate: VerifiedCertificate,
  options: { signer?: CertificateSigner; at?: number; csrPem?: string } = {},
): Promise<RenewedCertificate | Refusal> {
  const csrPem = options.csrPem ?? (await createKeyAndRequest()).csrPem;
  return renew(lab.store, options.signer ?? lab.signer, { certificate, csrPem, now: options.at ?? now });
}

describe('renewal', () => {
  it('gives a certificate for a new key, known beside the one that is still in force', async () => {
    const laptop = await enrollLaptop();
    const { privateKeyPem, csrPem } = await createKeyAndRequest();
    const at = now + 5 * day;
    const renewed = valueOf(await renewWith(laptop.certificate, { csrPem, at }));
    const certificate = new X509Certificate(renewed.certificateChainPem);
    expect(certificate.publicKey.equals(createPublicKey(createPrivateKey(privateKeyPem)))).toBe(true);
    expect(renewed.notAfter).toBe(at + 7 * day);
    expect(identify(renewed.certificateChainPem, at).device).toBe(laptop.id);
    expect(lab.store.state.devices.get(laptop.id)?.certificates).toHaveLength(2);
  });

  it('works with the same key', async () => {
    const laptop = await enrollLaptop();
    const csrPem = await createRequest(laptop.keyPem);
    const renewed = valueOf(await renewWith(laptop.certificate, { csrPem }));
    expect(identify(renewed.certificateChainPem).thumbprint).not.toBe(laptop.certificate.thumbprint);
  });

  it('works again with the old certificate, because the answer may have been lost', async () => {
    const laptop = await enrollLaptop();
    valueOf(await renewWith(laptop.certificate));
    const second = valueOf(await renewWith(laptop.certificate));
    expect(identify(second.certificateChainPem).device).toBe(laptop.id);
  });

  it('is refused when so many certificates are in force that something goes round in circles', async () => {
    const laptop = await enrollLaptop();
    for (let count = 1; count < maxLiveCertificates; count++) valueOf(await renewWith(laptop.certificate));
    expect(await renewWith(laptop.certificate)).toMatchObject({ code: 'rate-limited' });
    expect(lab.store.state.devices.get(laptop.id)?.certificates).toHaveLength(maxLiveCertificates);
  });

  it('is refused with a certificate that has ended, or that the ledger does not know', async () => {
    const { certificate } = await enrollLaptop();
    const other = await enrollLaptop();
    expect(await renewWith(certificate, { at: certificate.notAfter + 1 })).toMatchObject({
      code: 'certificate-expired',
    });
    const foreign = { ...certificate, thumbprint: other.certificate.thumbprint };
    expect(await renewWith(foreign)).toMatchObject({ code: 'certificate-unknown' });
    const nobody = { ...certificate, device: 'd-nobody' as DeviceId };
    expect(await renewWith(nobody)).toMatchObject({ code: 'device-unknown' });
  });

  it('is refused for a request that is damaged', async () => {
    const laptop = await enrollLaptop();
    const { csrPem } = await createKeyAndRequest();
    expect(await renewWith(laptop.certificate, { csrPem: csrPem.replace('MIG', 'MIH') })).toMatchObject({
      code: 'certificate-request-invalid',
    });
  });

  it('does not end quarantine', async () => {
    const laptop = await enrollLaptop();
    await changeState(laptop.id, 'quarantined');
    valueOf(await renewWith(laptop.certificate));
    expect(lab.store.state.devices.get(laptop.id)).toMatchObject({ state: 'quarantined' });
  });

  it.each(['revoked', 'lost'] as const)('is refused to a device that is %s', async (state) => {
    const laptop = await enrollLaptop();
    await changeState(laptop.id, state);
    expect(await renewWith(laptop.certificate)).toEqual({
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
    expect(await renewWith(laptop.certificate, { signer })).toMatchObject({ code: 'device-revoked' });
    expect(lab.store.state.devices.get(laptop.id)).toMatchObject({ state: 'revoked' });
    expect(lab.store.state.devices.get(laptop.id)?.certificates).toHaveLength(1);
  });
});
