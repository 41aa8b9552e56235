import { x509 } from '../../certs/x509-library.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKeyAndRequest } from '../../certs/request.ts';
import { createRsaKeyAndRequest } from '../../certs/rsa-request.ts';
import { makeManagedAuthority } from '../lab/managed.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab } from './control-lab.ts';

let lab: ControlLab;
let plain: ControlLab;
beforeAll(async () => {
  lab = await startControlLab({ managed: await makeManagedAuthority() });
  plain = await startControlLab();
});
afterAll(async () => {
  await lab.close();
  await plain.close();
});

const bundle = (csr: string, of = lab, user = 'alice@example.org') =>
  of.ask('POST', '/v1/device-bundles', { body: { user, csr } });

it('certifies an RSA key for a user, and says in the ledger who did it and that the device did not make it', async () => {
  const { csrPem, privateKeyPem } = await createRsaKeyAndRequest();
  const made = await bundle(csrPem);
  expect(made).toMatchObject({ status: 200, body: { user: 'alice@example.org' } });
  const device = String(made.body.device);
  expect(lab.store.state.devices.get(device as never)).toMatchObject({
    state: 'active',
    keyMadeElsewhere: true,
    certificates: [{ managed: true }],
  });
  expect(lab.store.state.deviceHistory.get(device as never)).toMatchObject([
    { by: 'api-key:admin', reason: 'bundle' },
  ]);
  const client = { chainPem: String(made.body.certificate), keyPem: privateKeyPem };
  expect(await lab.ask('GET', '/v1/device/config', { key: null, client })).toMatchObject({ status: 200 });
  // The other control plane does not trust that authority at all.
  expect(await plain.ask('GET', '/v1/device/config', { key: null, client })).toMatchObject({ status: 401 });

  const serials = async (name: string): Promise<string[]> => {
    const { text } = await lab.ask('GET', `/v1/crl/${name}.pem`, { key: null });
    return new x509.X509Crl(text.replaceAll('X509 CRL', 'CRL')).entries.map(
      ({ serialNumber }) => serialNumber,
    );
  };
  expect(await serials('managed-devices')).toEqual([]);
  await lab.ask('POST', `/v1/devices/${device}/state`, { body: { state: 'revoked', reason: 'sold' } });
  expect(await serials('managed-devices')).toHaveLength(1);
  expect(await serials('devices')).toEqual([]);
});

it('refuses a key that is not RSA, a user that is a machine’s name, and who may not, and changes nothing', async () => {
  const { csrPem } = await createRsaKeyAndRequest();
  const { sequence } = lab.store.state.head;
  expect(await bundle((await createKeyAndRequest()).csrPem)).toMatchObject({
    status: 400,
    body: { code: 'certificate-request-invalid' },
  });
  expect(await bundle(csrPem.replace('MII', 'MIJ'))).toMatchObject({ status: 400 });
  expect(await bundle(csrPem, lab, 'spiffe://example.org/device/d-1')).toMatchObject({ status: 400 });
  expect(lab.store.state.head.sequence).toBe(sequence);
  const helpdesk = await lab.makeKey({ role: 'helpdesk' });
  const body = { user: 'alice@example.org', csr: csrPem };
  expect(await lab.ask('POST', '/v1/device-bundles', { key: helpdesk, body })).toMatchObject({ status: 403 });
});

it('is off unless the settings say otherwise, and has no list then', async () => {
  const { csrPem } = await createRsaKeyAndRequest();
  expect(await bundle(csrPem, plain)).toMatchObject({ status: 404, body: { code: 'managed-devices-off' } });
  expect(await plain.ask('GET', '/v1/crl/managed-devices.crl', { key: null })).toMatchObject({ status: 404 });
});
