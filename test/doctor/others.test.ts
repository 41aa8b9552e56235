import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { signRevocationList } from '../../certs/revocation-list.ts';
import packageFile from '../../package.json' with { type: 'json' };
import { loadAuthorities } from '../../src/control/keys/authorities.ts';
import { installationOf } from '../../src/control/metrics.ts';
import { loadSettings } from '../../src/control/settings-file.ts';
import { certificatesCheck } from '../../src/doctor/checks/certificates.ts';
import { revocationListsCheck } from '../../src/doctor/checks/revocation-lists.ts';
import { serversCheck } from '../../src/doctor/checks/servers.ts';
import { collectFacts } from '../../src/doctor/facts.ts';
import { append } from '../backup/backup-lab.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { freePort } from '../lab/servers/redis.ts';
import { startServing } from '../lab/serving.ts';
import { deviceState, enrolled, tokenCreated } from '../ledger/samples.ts';
import { find, inShort, set } from './doctor-lab.ts';

let made: Installation;
let server: Server;
let answers: Record<string, { readonly body: string | Buffer; readonly date?: Date }>;
let origin: string;
beforeEach(async () => {
  made = await makeInstallation();
  answers = {};
  server = createServer(({ url = '' }, response) => {
    const answer = answers[url];
    if (answer?.date !== undefined) response.setHeader('date', answer.date.toUTCString());
    response.writeHead(answer === undefined ? 404 : 200).end(answer?.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await made.remove();
});

describe('gateways of the settings', () => {
  const answerAs = (version: string, waitingFor: readonly string[], rootPem: string, date: Date): void => {
    const body = JSON.stringify({ ready: waitingFor.length === 0, waitingFor });
    answers['/readyz'] = { body, date };
    answers['/metrics'] = {
      body: `postern_build_info{version="${version}",node="v26.0.0",installation="${installationOf(rootPem)}"} 1\n`,
    };
  };

  it('are to answer, in one version and at one time', async () => {
    expect(inShort(await find(serversCheck, made))).toEqual([
      'ok: this one alone: the settings name no others',
    ]);
    await set(made, ['control', 'gateways'], [{ id: 'gate-b', operator: origin }]);
    answerAs(packageFile.version, [], made.rootPem, new Date());
    expect(inShort(await find(serversCheck, made))).toEqual(['ok: 1 gateways of the settings answer']);
    answerAs('0.0.9', ['workers'], made.rootPem, new Date(Date.now() - 120_000));
    expect(inShort(await find(serversCheck, made))).toEqual([
      expect.stringMatching(
        /^error: the clock of gateway gate-b is 1(19|2[01]) s behind that of this machine$/,
      ),
      `warning: gateway gate-b runs version 0.0.9, and ${packageFile.version} is installed here`,
      'error: gateway gate-b passes no flows: it waits for workers',
    ]);
  });

  it('that are away, of others, or something else, are named', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    await set(made, ['control', 'gateways'], [{ id: 'gate-b', operator: nobody }]);
    expect(inShort(await find(serversCheck, made))).toEqual([
      `error: gateway gate-b at ${nobody} does not answer (ECONNREFUSED)`,
    ]);
    await set(made, ['control', 'gateways'], [{ id: 'gate-b', operator: origin }]);
    expect(inShort(await find(serversCheck, made))).toEqual([
      `error: gateway gate-b at ${origin} is something else than a server of Postern`,
    ]);
    answerAs(packageFile.version, [], 'another root', new Date());
    expect(inShort(await find(serversCheck, made))).toEqual([
      `error: gateway gate-b at ${origin} is of another installation`,
    ]);
  });
});

describe('the public copy of the revocation list', () => {
  const now = (): number => Math.floor(Date.now() / 1000);
  const publish = async (
    hours: number,
    revoked: readonly string[] = [],
    by: 'device' | 'service' = 'device',
  ) => {
    const authorities = await loadAuthorities(made.data, undefined, false);
    answers['/devices.crl'] = {
      body: await signRevocationList(authorities[by], {
        number: 1n,
        thisUpdate: now() - 86_400 + hours * 3600,
        nextUpdate: now() + hours * 3600,
        revoked: revoked.map((serial) => ({ serial, revokedAt: now(), isCompromised: false })),
      }),
    };
  };
  const look = async (): Promise<string[]> => inShort(await find(revocationListsCheck, made));

  it('is to be there, ours, and in time', async () => {
    expect(await look()).toEqual([expect.stringMatching(/^ok: made whenever it is fetched/)]);
    const url = `${origin}/devices.crl`;
    await set(made, ['revocationList', 'url'], url);
    const starts = `error: the revocation list at ${url}`;
    expect(await look()).toEqual([expect.stringContaining(`${starts} cannot be fetched (status 404)`)]);
    answers['/devices.crl'] = { body: '<html>' };
    expect(await look()).toEqual([expect.stringContaining(`${starts} is no revocation list`)]);
    await publish(20, [], 'service');
    expect(await look()).toEqual([
      expect.stringContaining(`${starts} is not signed by our device authority`),
    ]);
    await publish(-1);
    expect(await look()).toEqual([expect.stringContaining(`${starts} has ended on `)]);
    await publish(3);
    expect(await look()).toEqual([expect.stringMatching(/^warning: the revocation list at \S+ ends on /)]);
    await publish(20);
    expect(await look()).toEqual([expect.stringMatching(/^ok: at \S+, good until \S+, 0 certificates$/)]);
  });

  it('is to have what was revoked hours ago', async () => {
    await set(made, ['revocationList', 'url'], `${origin}/devices.crl`);
    const enrollment = enrolled('d1', 't1');
    if (enrollment.type !== 'device-enrolled') throw new TypeError('no enrollment');
    const { serial } = enrollment.certificate;
    await append(
      made,
      tokenCreated('t1'),
      { ...enrollment, certificate: { ...enrollment.certificate, notAfter: now() + 86_400 } },
      deviceState('d1', 'revoked'),
    );
    await publish(20);
    // Just revoked: a copy may be as late as that.
    expect((await look())[0]).toMatch(/^ok: /);
    const later = await collectFacts(
      made.configFile,
      loadSettings(made.configFile),
      Date.now() + 3 * 3_600_000,
    );
    expect(inShort(await revocationListsCheck.run(later))).toEqual([
      expect.stringMatching(
        /^error: the revocation list at .* lacks 1 certificates that were revoked hours ago$/,
      ),
    ]);
    await publish(20, [serial]);
    expect(inShort(await revocationListsCheck.run(later))).toEqual([
      expect.stringMatching(/^ok: .*, 1 certificates$/),
    ]);
  });
});

it('looks at the certificates that a running gateway shows for its apps', async () => {
  for (const listener of ['gateway', 'operator']) await set(made, [listener, 'port'], await freePort());
  await append(
    made,
    { type: 'resource-put', resource: { kind: 'Network', name: 'finance', attach: { direct: true } } },
    {
      type: 'resource-put',
      resource: {
        kind: 'App',
        name: 'grants',
        network: 'finance',
        host: 'grants.apps.example.org',
        protocol: 'http',
        upstreams: ['http://127.0.0.1:1'],
      },
    },
  );
  const serving = await startServing(made.configFile, 'all');
  try {
    expect(inShort(await find(certificatesCheck, made))).toEqual(['ok: none expires soon']);
    const later = await collectFacts(
      made.configFile,
      loadSettings(made.configFile),
      Date.now() + 365 * 86_400_000,
    );
    const found = inShort(await certificatesCheck.run(later));
    expect(found).toContainEqual(
      expect.stringMatching(/^error: the certificate that gateway shows has expired/),
    );
    expect(found).toContainEqual(expect.stringMatching(/^error: the certificate of app grants has expired/));
  } finally {
    await serving.kill();
  }
}, 60_000);
