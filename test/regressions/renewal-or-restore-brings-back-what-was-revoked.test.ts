/**
 * smallstep/certificates#10, #177, #606: a revoked client renewed its certificate and was in again, and a restored
 * backup forgot who had been revoked. Revocations only grow. Here a laptop holds several certificates and is revoked:
 * none of them identifies it any more, none renews, in time or late, no admin and no replayed event brings it back, and its old
 * enrollment token does not enroll it again. Quarantine, which may end, does not end by a renewal.
 */
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyAndRequest } from '../../certs/request.ts';
import type { DeviceId } from '../../src/domain/ids.ts';
import type { VerifiedCertificate } from '../../src/domain/subject.ts';
import { enroll } from '../../src/enrollment/enroll.ts';
import { renew } from '../../src/enrollment/renew.ts';
import { identifyDevice } from '../../src/identity/device-identity.ts';
import { openEnrollmentLab, valueOf } from '../enrollment/enrollment-lab.ts';
import type { EnrollmentLab } from '../enrollment/enrollment-lab.ts';

const now = Math.floor(Date.now() / 1000);
let lab: EnrollmentLab;
beforeAll(async () => {
  lab = await openEnrollmentLab();
});
afterAll(() => lab.close());

const newRequest = async (): Promise<string> => (await createKeyAndRequest()).csrPem;
const identify = (chainPem: string) => identifyDevice(new X509Certificate(chainPem), lab.store.state, now);
const change = (device: DeviceId, state: 'active' | 'quarantined' | 'revoked' | 'lost') =>
  lab.store.commit('api-key:admin', () => ({
    events: [{ type: 'device-state-changed', device, state, reason: 'test' }],
    value: {},
  }));

const renewWith = async (certificate: VerifiedCertificate, chainPem = '', at = now) => {
  const { publicKey } = new X509Certificate(chainPem);
  const asked = {
    certificate,
    publicKey,
    isManaged: false,
    graceSeconds: 30 * 86_400,
    hasSignIn: false,
    csrPem: await newRequest(),
    now: at,
  };
  return renew(lab.store, lab.signer, asked);
};

/** A laptop with its enrollment token and two certificates in force. */
async function enrollAndRenew() {
  const token = await lab.newToken();
  const enrolled = valueOf(await enroll(lab.store, lab.signer, { token, csrPem: await newRequest(), now }));
  const certificate = valueOf(identify(enrolled.certificateChainPem));
  const renewed = valueOf(await renewWith(certificate, enrolled.certificateChainPem));
  const chains = [enrolled.certificateChainPem, renewed.certificateChainPem];
  return { id: enrolled.device, token, certificate, chains };
}

describe.each(['revoked', 'lost'] as const)('a laptop that is %s', (state) => {
  it('stays so by every certificate, by renewal and by the hand of an admin', async () => {
    const { id, token, certificate, chains } = await enrollAndRenew();
    for (const chain of chains) expect(identify(chain)).toMatchObject({ device: id });
    valueOf(await change(id, state));

    for (const chain of chains) expect(identify(chain)).toMatchObject({ code: `device-${state}` });
    for (const at of [now, certificate.notAfter + 1])
      expect(await renewWith(certificate, chains[0], at)).toMatchObject({ code: `device-${state}` });
    expect(await change(id, 'active')).toMatchObject({ code: 'state-final' });
    expect(await change(id, 'quarantined')).toMatchObject({ code: 'state-final' });
    expect(await enroll(lab.store, lab.signer, { token, csrPem: await newRequest(), now })).toMatchObject({
      code: 'enrollment-token-invalid',
    });
    expect(lab.store.state.devices.get(id)).toMatchObject({ state });
  });

  it('is so to another control plane that reads the ledger from its beginning', async () => {
    const { id } = await enrollAndRenew();
    valueOf(await change(id, state));
    const second = await lab.openSecondStore();
    expect(second.state.devices.get(id)).toMatchObject({ state });
  });
});

describe('a laptop in quarantine', () => {
  it('renews and stays there until it is released', async () => {
    const { id, certificate, chains } = await enrollAndRenew();
    valueOf(await change(id, 'quarantined'));
    valueOf(await renewWith(certificate, chains[0]));
    expect(lab.store.state.devices.get(id)).toMatchObject({ state: 'quarantined' });
    valueOf(await change(id, 'active'));
    expect(lab.store.state.devices.get(id)).toMatchObject({ state: 'active' });
  });
});
