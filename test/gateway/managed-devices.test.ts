import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AuthorityCertificate } from '../../certs/signer.ts';
import type { UserName } from '../../src/domain/ids.ts';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';
import { issueManagedDevice, makeManagedAuthority } from '../lab/managed.ts';
import type { ManagedDevice } from '../lab/managed.ts';

const host = 'grants.apps.example.org';
let managed: AuthorityCertificate;
let phone: ManagedDevice;
let app: LabServer;
const labs: LabGateway[] = [];
beforeAll(async () => {
  app = await startApplication('grants');
  managed = await makeManagedAuthority();
  phone = await issueManagedDevice(managed);
});
afterAll(async () => {
  for (const lab of labs) await lab.close();
  app.close();
});

async function startLab(managedAuthorityPem?: string): Promise<{ lab: LabGateway; alice: LabLaptop }> {
  const lab = await startLabGateway({
    apps: [labApp('grants', [app.url])],
    ...(managedAuthorityPem === undefined ? {} : { managedAuthorityPem }),
  });
  labs.push(lab);
  const alice = await lab.laptop('alice@example.org');
  const user = 'alice@example.org' as UserName;
  lab.commit({ type: 'device-bundle-made', device: phone.id, user, certificate: phone.issued });
  return { lab, alice };
}

async function askFrom(alice: LabLaptop, device?: ManagedDevice): Promise<number> {
  const client = device === undefined ? {} : { cert: device.chainPem, key: device.keyPem };
  const bound = device === undefined ? {} : { device: device.id, thumbprint: device.issued.thumbprint };
  const token = await alice.token(bound);
  // The last await before the request: a socket that closes in between would be waited for in vain.
  const socket = await alice.connect({ servername: host, ...client });
  const answer = await httpOn(
    socket,
    `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\n\r\n`,
  );
  socket.destroy();
  return answer.status;
}

it('lets a device with an RSA key through where its authority is trusted, beside all others', async () => {
  const { lab, alice } = await startLab(managed.certificatePem);
  expect(await askFrom(alice, phone)).toBe(200);
  expect(await askFrom(alice)).toBe(200);
  lab.commit({ type: 'device-state-changed', device: phone.id, state: 'revoked', reason: 'test' });
  await expect(askFrom(alice, phone)).rejects.toThrow();
  await expect.poll(() => lab.gateway.counters().refusalsTotal['device-revoked']).toBe(1);
});

it('refuses it in the handshake where it is not', async () => {
  const { lab, alice } = await startLab();
  await expect(askFrom(alice, phone)).rejects.toThrow();
  await expect.poll(() => lab.gateway.counters().refusalsTotal['certificate-untrusted']).toBe(1);
  expect(await askFrom(alice)).toBe(200);
});

it('refuses one that the ledger does not know, and one of an authority with the same name', async () => {
  const { lab, alice } = await startLab(managed.certificatePem);
  const unknown = await issueManagedDevice(managed, 'd-unknown');
  await expect(askFrom(alice, unknown)).rejects.toThrow();
  await expect.poll(() => lab.gateway.counters().refusalsTotal['device-unknown']).toBe(1);
  const impostor = await issueManagedDevice(await makeManagedAuthority(), phone.id);
  await expect(askFrom(alice, impostor)).rejects.toThrow();
  await expect.poll(() => lab.gateway.counters().refusalsTotal['certificate-untrusted']).toBe(1);
});
