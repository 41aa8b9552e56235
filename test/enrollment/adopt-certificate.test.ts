import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyAndRequest, parseRequest } from '../../certs/request.ts';
import type { DeviceId, UserName } from '../../src/domain/ids.ts';
import { adoptCertificate } from '../../src/enrollment/adopt-certificate.ts';
import { enroll } from '../../src/enrollment/enroll.ts';
import { identifyDevice } from '../../src/identity/device-identity.ts';
import { issueManagedDevice, makeManagedAuthority } from '../lab/managed.ts';
import { openEnrollmentLab, valueOf } from './enrollment-lab.ts';
import type { EnrollmentLab } from './enrollment-lab.ts';

const now = Math.floor(Date.now() / 1000);
const day = 86_400;
const asked = { now, roles: ['laptop'] as const };

let lab: EnrollmentLab;
let id: DeviceId;
beforeAll(async () => {
  lab = await openEnrollmentLab();
  id = await enrollLaptop();
  // A backup of two days ago was restored just now.
  await lab.commit({ type: 'installation-restored', from: now - 2 * day });
});
afterAll(() => lab.close());

async function enrollLaptop(): Promise<DeviceId> {
  const token = await lab.newToken();
  const { csrPem } = await createKeyAndRequest();
  return valueOf(await enroll(lab.store, lab.signer, { token, csrPem, now })).device;
}

/** One that our authority issued, and that the ledger does not know. */
async function forgotten(device: DeviceId, issuedAt: number): Promise<X509Certificate> {
  const { publicKeyPem } = await parseRequest((await createKeyAndRequest()).csrPem);
  const { chainPem } = await lab.signer.signDevice({ device, role: 'laptop', publicKeyPem, now: issuedAt });
  return new X509Certificate(chainPem);
}

describe('a certificate that a restored ledger does not know', () => {
  it('is taken up where it was issued between the backup and its restore, and then identifies the laptop', async () => {
    const certificate = await forgotten(id, now - day);
    expect(identifyDevice(certificate, lab.store.state, now, asked)).toMatchObject({
      code: 'certificate-unknown',
    });
    const adopted = await adoptCertificate(lab.store, certificate, asked);
    expect(adopted).toMatchObject({ device: id });
    expect(identifyDevice(certificate, lab.store.state, now, asked)).toEqual(adopted);
    // Two requests of one laptop may meet.
    const { head } = lab.store.state;
    expect(await adoptCertificate(lab.store, certificate, asked)).toEqual(adopted);
    expect(lab.store.state.head).toEqual(head);
  });

  it('stays unknown where it is of the other authority than the device has', async () => {
    const authority = await makeManagedAuthority();
    const { chainPem } = await issueManagedDevice(authority, id, now - day);
    const options = { ...asked, managedAuthorityPem: authority.certificatePem };
    expect(await adoptCertificate(lab.store, new X509Certificate(chainPem), options)).toMatchObject({
      code: 'certificate-unknown',
    });
    const phone = await issueManagedDevice(authority, 'd-phone', now - 3 * day);
    await lab.commit({
      type: 'device-bundle-made',
      device: phone.id,
      user: 'alice@example.org' as UserName,
      certificate: phone.issued,
    });
    expect(await adoptCertificate(lab.store, await forgotten(phone.id, now - day), options)).toMatchObject({
      code: 'certificate-unknown',
    });
    const own = await issueManagedDevice(authority, 'd-phone', now - day);
    expect(await adoptCertificate(lab.store, new X509Certificate(own.chainPem), options)).toMatchObject({
      device: phone.id,
    });
  });

  it('stays unknown where the ledger knew all that was issued then', async () => {
    for (const issuedAt of [now - 3 * day, now - 2 * day - 1, now + 60])
      expect(
        await adoptCertificate(lab.store, await forgotten(id, issuedAt), asked),
        String(issuedAt),
      ).toMatchObject({
        code: 'certificate-unknown',
      });
  });

  it('does not bring in a laptop that was enrolled after the backup', async () => {
    const certificate = await forgotten('enrolled-since' as DeviceId, now - day);
    expect(await adoptCertificate(lab.store, certificate, asked)).toMatchObject({ code: 'device-unknown' });
  });

  it('does not bring back what is revoked or lost, and leaves a quarantine as it is', async () => {
    for (const state of ['revoked', 'lost', 'quarantined'] as const) {
      const device = await enrollLaptop();
      const certificate = await forgotten(device, now - day);
      await lab.commit({ type: 'device-state-changed', device, state, reason: 'test' });
      const adopted = await adoptCertificate(lab.store, certificate, asked);
      expect(adopted).toMatchObject(state === 'quarantined' ? { device } : { code: `device-${state}` });
      expect(lab.store.state.devices.get(device)?.state).toBe(state);
    }
  });

  it('does not grow a laptop’s certificates without a bound', async () => {
    const device = await enrollLaptop();
    const results: unknown[] = [];
    for (let count = 0; count < 7; count += 1)
      results.push(await adoptCertificate(lab.store, await forgotten(device, now - day + count), asked));
    expect(results.slice(0, 5)).toEqual(Array(5).fill(expect.objectContaining({ device })));
    expect(results.slice(5)).toEqual(Array(2).fill(expect.objectContaining({ code: 'certificate-unknown' })));
  });
});

it('is refused everywhere by a ledger that was never restored', async () => {
  const other = await openEnrollmentLab();
  try {
    const token = await other.newToken();
    const { csrPem } = await createKeyAndRequest();
    const { device } = valueOf(await enroll(other.store, other.signer, { token, csrPem, now }));
    const { publicKeyPem } = await parseRequest((await createKeyAndRequest()).csrPem);
    const { chainPem } = await other.signer.signDevice({ device, role: 'laptop', publicKeyPem, now });
    expect(await adoptCertificate(other.store, new X509Certificate(chainPem), asked)).toMatchObject({
      code: 'certificate-unknown',
    });
  } finally {
    await other.close();
  }
});
