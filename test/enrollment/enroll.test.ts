import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyAndRequest } from '../../certs/request.ts';
import type { NetworkName } from '../../src/domain/ids.ts';
import type { CertificateSigner } from '../../src/enrollment/certificate-signer.ts';
import { newDeviceId } from '../../src/enrollment/device-id.ts';
import { enroll } from '../../src/enrollment/enroll.ts';
import { identifyDevice } from '../../src/identity/device-identity.ts';
import { openEnrollmentLab, valueOf } from './enrollment-lab.ts';
import type { EnrollmentLab } from './enrollment-lab.ts';

const now = Math.floor(Date.now() / 1000);
let lab: EnrollmentLab;
beforeAll(async () => {
  lab = await openEnrollmentLab();
  const network = { kind: 'Network', name: 'finance', attach: { connector: 'remote' } } as const;
  await lab.commit({ type: 'resource-put', resource: network });
});
afterAll(() => lab.close());

/** Counts signatures on the way to the real signer. */
function countingSigner(): CertificateSigner & { count: number } {
  const counting = {
    count: 0,
    signDevice: (request: Parameters<CertificateSigner['signDevice']>[0]) => {
      counting.count++;
      return lab.signer.signDevice(request);
    },
  };
  return counting;
}

describe('enrollment', () => {
  it('gives a laptop a certificate for its own key, which it is identified by from then on', async () => {
    const token = await lab.newToken();
    const { privateKeyPem, csrPem } = await createKeyAndRequest();
    const enrolled = valueOf(await enroll(lab.store, lab.signer, { token, csrPem, now }));
    const certificate = new X509Certificate(enrolled.certificateChainPem);
    expect(enrolled.user).toBe('alice@example.org');
    expect(certificate.publicKey.equals(createPublicKey(createPrivateKey(privateKeyPem)))).toBe(true);
    expect(certificate.verify(new X509Certificate(lab.organization.deviceAuthorityPem).publicKey)).toBe(true);
    expect(identifyDevice(certificate, lab.store.state, now)).toMatchObject({ device: enrolled.device });
    expect(lab.store.state.devices.get(enrolled.device)).toMatchObject({
      user: 'alice@example.org',
      role: 'laptop',
      state: 'enrolled',
      awaits: 'posture',
      certificates: [{ notAfter: enrolled.notAfter }],
    });
  });

  it('gives a connector a certificate of its own kind and its network', async () => {
    const token = await lab.newToken({ role: 'connector', network: 'finance' });
    const { csrPem } = await createKeyAndRequest();
    const enrolled = valueOf(await enroll(lab.store, lab.signer, { token, csrPem, now }));
    const certificate = new X509Certificate(enrolled.certificateChainPem);
    expect(certificate.subjectAltName).toBe(`URI:spiffe://example.org/connector/${enrolled.device}`);
    expect(lab.store.state.devices.get(enrolled.device)?.network).toBe('finance' as NetworkName);
    expect(identifyDevice(certificate, lab.store.state, now)).toMatchObject({ code: 'certificate-profile' });
    expect(identifyDevice(certificate, lab.store.state, now, { roles: ['connector'] })).toMatchObject({
      device: enrolled.device,
    });
  });

  it('gives a machine the certificate of a device, and has it wait for no posture', async () => {
    const token = await lab.newToken({ role: 'machine', user: 'buildings@example.org' });
    const { csrPem } = await createKeyAndRequest();
    const enrolled = valueOf(await enroll(lab.store, lab.signer, { token, csrPem, now }));
    const certificate = new X509Certificate(enrolled.certificateChainPem);
    expect(certificate.subjectAltName).toBe(`URI:spiffe://example.org/device/${enrolled.device}`);
    expect(lab.store.state.devices.get(enrolled.device)).toMatchObject({
      role: 'machine',
      user: 'buildings@example.org',
      state: 'active',
    });
    expect(identifyDevice(certificate, lab.store.state, now)).toMatchObject({ device: enrolled.device });
    expect(identifyDevice(certificate, lab.store.state, now, { roles: ['laptop'] })).toMatchObject({
      code: 'certificate-profile',
    });
  });

  it('uses the token up, and only when it succeeds', async () => {
    const token = await lab.newToken();
    const { csrPem } = await createKeyAndRequest();
    const signer = countingSigner();
    const broken = csrPem.replace('MIG', 'MIH');
    expect(await enroll(lab.store, signer, { token, csrPem: broken, now })).toMatchObject({
      code: 'certificate-request-invalid',
    });
    expect(await enroll(lab.store, signer, { token, csrPem, now })).not.toHaveProperty('code');
    expect(await enroll(lab.store, signer, { token, csrPem, now })).toMatchObject({
      code: 'enrollment-token-invalid',
    });
    expect(signer.count).toBe(1);
  });

  it('costs a stranger without a token no signature and no entry in the ledger', async () => {
    const signer = countingSigner();
    const { csrPem } = await createKeyAndRequest();
    const expired = await lab.newToken({ ttlSeconds: 60, now: now - 120 });
    const before = lab.store.state.head;
    for (const token of ['', 'pet1', expired]) {
      expect(await enroll(lab.store, signer, { token, csrPem, now })).toMatchObject({
        code: 'enrollment-token-invalid',
      });
    }
    expect(signer.count).toBe(0);
    expect(lab.store.state.head).toEqual(before);
  });

  it('lets exactly one of a hundred who race with one token through, over two control planes', async () => {
    const token = await lab.newToken();
    const second = await lab.openSecondStore();
    const devicesBefore = lab.store.state.devices.size;
    const requests = await Promise.all(Array.from({ length: 100 }, () => createKeyAndRequest()));
    const results = await Promise.all(
      requests.map(({ csrPem }, index) =>
        enroll(index % 2 === 0 ? lab.store : second, lab.signer, { token, csrPem, now }),
      ),
    );
    const winners = results.filter((result) => !('code' in result));
    const losers = results.filter((result) => 'code' in result);
    expect(winners).toHaveLength(1);
    expect(new Set(losers.map(({ code }) => code))).toEqual(new Set(['enrollment-token-invalid']));
    // A commit of its own brings the first store to the end of the ledger, whoever wrote there.
    await lab.newToken();
    expect(lab.store.state.devices.size).toBe(devicesBefore + 1);
  });

  it('lets all of twenty through who have a token each', async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => lab.newToken()));
    const results = await Promise.all(
      tokens.map(async (token) => {
        const { csrPem } = await createKeyAndRequest();
        return valueOf(await enroll(lab.store, lab.signer, { token, csrPem, now }));
      }),
    );
    expect(new Set(results.map(({ device }) => device)).size).toBe(20);
  });
});

describe('a device id', () => {
  it('is random, and the same in a URI, a file name and a sentence', () => {
    const ids = Array.from({ length: 1000 }, newDeviceId);
    expect(new Set(ids).size).toBe(1000);
    for (const id of ids) expect(id).toMatch(/^d-[a-z2-7]{16}$/);
    expect(new Set(ids.join('').replaceAll('d-', '')).size).toBe(32);
  });
});
