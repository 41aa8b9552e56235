import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { keepCertificate } from '../../../src/control/keys/server-certificates.ts';
import { controlTlsOptions } from '../../../src/control/api/tls-options.ts';
import { makeOrganization } from '../../lab/pki.ts';

const day = 86_400;

it('is issued anew at two thirds of its life, while the server runs and connections stay', async () => {
  const now = Math.floor(Date.now() / 1000);
  const issuedAt = now - 25 * day;
  const organization = await makeOrganization({ now: new Date(issuedAt * 1000) });
  const kept = await keepCertificate({
    authority: organization.authorities.service,
    rootPem: organization.rootPem,
    profile: 'control',
    names: ['localhost', '127.0.0.1'],
    onRenewed: (renewed) =>
      server.setSecureContext(controlTlsOptions(renewed, [organization.deviceAuthorityPem])),
    now: issuedAt,
  });
  const server = createServer(controlTlsOptions(kept.current, [organization.deviceAuthorityPem]));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const open = async () => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: organization.rootPem });
    await once(socket, 'secureConnect');
    return { socket, serial: socket.getPeerX509Certificate()?.serialNumber };
  };
  const first = await open();
  expect(first.socket.getProtocol()).toBe('TLSv1.3');
  await kept.renewIfDue(issuedAt + 19 * day);
  const unchanged = await open();
  expect(unchanged.serial).toBe(first.serial);
  unchanged.socket.destroy();
  await kept.renewIfDue(now);
  const second = await open();
  expect(second.serial).not.toBe(first.serial);
  expect(first.socket.destroyed).toBe(false);
  first.socket.destroy();
  second.socket.destroy();
  server.close();
  await once(server, 'close');
});

it('bears the names of the settings, each as what it is, and comes with the chain up to the root that tokens pin', async () => {
  const organization = await makeOrganization();
  const kept = await keepCertificate({
    authority: organization.authorities.service,
    rootPem: organization.rootPem,
    profile: 'control',
    names: ['control.example.org', '192.0.2.7', '2001:db8::7'],
    onRenewed: () => undefined,
    now: Math.floor(Date.now() / 1000),
  });
  const pems =
    kept.current.chainPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  expect(pems).toHaveLength(3);
  const [leaf = '', , root = ''] = pems;
  expect(new X509Certificate(leaf).subjectAltName).toBe(
    'DNS:control.example.org, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7',
  );
  expect(new X509Certificate(root).fingerprint256).toBe(
    new X509Certificate(organization.rootPem).fingerprint256,
  );
});
