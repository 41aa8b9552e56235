/**
 * step-ca CVE-2026-30836: its SCEP endpoint checked the challenge for the message types it had thought of, and issued for others
 * too. A stranger who wrote UpdateReq (18) where PKCSReq (19) belongs got a certificate of the authority without any challenge.
 * Here two message types are listed, each with its own proof; any other is refused before its envelope is opened, even with a
 * good challenge inside, which stays good.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AuthorityCertificate } from '../../certs/signer.ts';
import { startControlLab } from '../control/control-lab.ts';
import type { ControlLab } from '../control/control-lab.ts';
import { makeManagedAuthority } from '../lab/managed.ts';
import { hasOpenssl, opensslHint } from '../lab/openssl.ts';
import { createScepClient } from '../lab/scep-client.ts';
import type { CertRep, ScepClient } from '../lab/scep-client.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
describe.skipIf(!hasOpenssl)(`a SCEP message${opensslHint}`, () => {
  let managed: AuthorityCertificate;
  let lab: ControlLab;
  let stranger: ScepClient;
  beforeAll(async () => {
    managed = await makeManagedAuthority();
    lab = await startControlLab({ managed, scep: true });
    stranger = createScepClient({ port: lab.port, rootPem: lab.organization.rootPem });
  });
  afterAll(async () => {
    stranger.remove();
    await lab.close();
  });
  const send = async (type: string, challenge?: string): Promise<CertRep> => {
    const message = await stranger.message({ type, ...(challenge === undefined ? {} : { challenge }) });
    return stranger.open((await stranger.post(message)).bytes, managed.certificatePem);
  };
  const newChallenge = async (): Promise<string> => {
    const body = { user: 'alice@example.org', protocol: 'scep' };
    return String((await lab.ask('POST', '/v1/enrollment-tokens', { body })).body.token);
  };

  it.each(['0', '3', '17', '18', '19', '20', '21', '22', '99', '019', '119'])(
    'of type %s issues nothing without a proof',
    async (type) => {
      lab.pass(61_000);
      expect(await send(type)).toMatchObject({ attributes: { pkiStatus: '2', failInfo: '2' }, chainPem: '' });
      expect(lab.store.state.devices.size).toBe(0);
    },
  );

  it('of type 18 issues nothing with a good challenge either, and leaves it good for type 19', async () => {
    const challenge = await newChallenge();
    expect(await send('18', challenge)).toMatchObject({ attributes: { pkiStatus: '2' }, chainPem: '' });
    expect(lab.store.state.devices.size).toBe(0);
    expect(await send('19', challenge)).toMatchObject({ attributes: { pkiStatus: '0' } });
    expect(lab.store.state.devices.size).toBe(1);
  });
});
