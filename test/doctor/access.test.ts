import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApiKey } from '../../src/control/api/api-key.ts';
import { findFreePort } from '../../src/control/free-port.ts';
import { devicesCheck } from '../../src/doctor/checks/devices.ts';
import { networksCheck } from '../../src/doctor/checks/networks.ts';
import { policiesCheck } from '../../src/doctor/checks/policies.ts';
import { twoPeopleCheck } from '../../src/doctor/checks/two-people.ts';
import { upstreamsCheck } from '../../src/doctor/checks/upstreams.ts';
import type { Check } from '../../src/doctor/finding.ts';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { Resource } from '../../src/domain/resources.ts';
import { append, openLedger } from '../backup/backup-lab.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { startApplication } from '../lab/app-server.ts';
import {
  createNamespace,
  namespacesAvailable,
  titleWithNamespaces,
  unusedNamespaceName,
} from '../lab/namespaces.ts';
import { deviceState, enrolled, tokenCreated } from '../ledger/samples.ts';
import { find, inShort, set } from './doctor-lab.ts';

let made: Installation;
beforeEach(async () => {
  made = await makeInstallation();
});
afterEach(() => made.remove());

const put = (...resources: readonly Resource[]): Promise<void> =>
  append(made, ...resources.map((resource): ControlEvent => ({ type: 'resource-put', resource })));
const network = (name: string, attach: object, more: object = {}): Resource =>
  ({ kind: 'Network', name, attach, ...more }) as Resource;
const app = (name: string, networkName: string, upstream: string): Resource => ({
  kind: 'App',
  name,
  network: networkName,
  host: `${name}.apps.example.org`,
  protocol: 'http',
  upstreams: [upstream],
});
const policy = (name: string, cedar: string, mode?: 'shadow'): Resource => ({
  kind: 'Policy',
  name,
  cedar,
  ...(mode === undefined ? {} : { mode }),
});
const shortly = async (check: Check): Promise<string[]> => inShort(await find(check, made));

describe('policies', () => {
  const permit = (name: string): string =>
    `permit (principal, action == Action::"access", resource == App::"${name}");`;
  beforeEach(() =>
    put(
      network('one', { direct: true }),
      app('a', 'one', 'http://127.0.0.1:1'),
      app('b', 'one', 'http://127.0.0.1:1'),
    ),
  );

  it('that allow nothing are an error: none, forbids alone, or shadows alone', async () => {
    const nothing = [
      'error: the policies allow nothing: none that is enforced permits anything, so every flow is refused',
    ];
    expect(await shortly(policiesCheck)).toEqual(nothing);
    await put(policy('no', 'forbid (principal, action, resource);'), policy('try', permit('a'), 'shadow'));
    expect(await shortly(policiesCheck)).toEqual(nothing);
  });

  it('that permit only what can never be are an error, and are none as soon as one can', async () => {
    await put(policy('never', 'permit (principal, action, resource) when { false };'));
    expect(await shortly(policiesCheck)).toEqual([
      'error: the policies allow nothing: none of the permits that are enforced can ever apply',
    ]);
    await put(policy('all', 'permit (principal, action, resource);'));
    expect(await shortly(policiesCheck)).toEqual(['ok: 2 permits; every app has one']);
  });

  it('that leave an app out are named with it; those that leave none out are fine', async () => {
    await put(policy('a', permit('a')));
    expect(await shortly(policiesCheck)).toEqual(['warning: no policy ever permits b']);
    await put(policy('b', 'permit (principal, action, resource in Network::"one");'));
    expect(await shortly(policiesCheck)).toEqual(['ok: 2 permits; every app has one']);
  });

  it('are of no use to users of laptops who are in no group', async () => {
    await put(policy('all', 'permit (principal, action, resource);'), {
      kind: 'Group',
      name: 'staff',
      members: ['bob@example.org'],
    });
    await append(
      made,
      tokenCreated('t1'),
      enrolled('d1', 't1'),
      tokenCreated('t2', 'bob@example.org'),
      enrolled('d2', 't2', 'bob@example.org'),
    );
    expect(await shortly(policiesCheck)).toEqual(['hint: in no group: alice@example.org']);
  });
});

describe('upstreams', () => {
  it('are dialled: those that answer, those that are down, and those whose name does not resolve', async () => {
    const running = await startApplication();
    const { port } = new URL(running.url);
    const free = await findFreePort('127.0.0.1');
    await put(network('one', { direct: true }), app('up', 'one', `http://127.0.0.1:${port}`));
    expect(await shortly(upstreamsCheck)).toEqual(['ok: all 1 answer from inside their networks']);
    await put(
      app('down', 'one', `http://127.0.0.1:${free}`),
      app('lost', 'one', 'http://nowhere.invalid:80'),
    );
    expect((await shortly(upstreamsCheck)).toSorted()).toEqual([
      expect.stringMatching(
        `^error: in network one, 1 of 3 upstreams are down: 127.0.0.1 port ${free} \\(.*ECONNREFUSED\\)$`,
      ),
      expect.stringMatching(/^error: in network one, a name does not resolve: nowhere\.invalid/),
    ]);
    running.close();
  });

  it.skipIf(!namespacesAvailable())(
    titleWithNamespaces('are dialled from inside their namespace, which is to be there'),
    async () => {
      const name = unusedNamespaceName();
      await put(network('inner', { netns: name }), app('grants', 'inner', 'http://10.9.9.9:8080'));
      expect(await shortly(networksCheck)).toEqual([
        `error: network inner has no namespace ${name} on this machine`,
      ]);
      expect(await shortly(upstreamsCheck)).toEqual([
        expect.stringContaining(`there is no network namespace ${name}`),
      ]);
      const namespace = createNamespace(['10.9.9.9'], name);
      try {
        expect(await shortly(networksCheck)).toEqual(['ok: 1 network, 1 namespace among them, and there']);
        expect(await shortly(upstreamsCheck)).toEqual([
          expect.stringMatching(/^error: in network inner, 1 of 1 upstreams are down: 10\.9\.9\.9 port 8080/),
        ]);
        const greeter = await namespace.run(new URL('../lab/servers/greeter.ts', import.meta.url).pathname, [
          '10.9.9.9',
          '8080',
          'hello',
        ]);
        expect(greeter.firstMessage).toBeDefined();
        expect(await shortly(upstreamsCheck)).toEqual(['ok: all 1 answer from inside their networks']);
      } finally {
        await namespace.remove();
      }
    },
  );
});

it('calls a network that is attached directly what it is', async () => {
  await put(network('one', { direct: true }));
  expect(await shortly(networksCheck)).toEqual([
    'hint: network one is attached directly: the gateway itself has a way into it',
  ]);
});

describe('devices', () => {
  const fleet = (count: number): ControlEvent[] =>
    Array.from({ length: count }, (_, n) => [tokenCreated(`t${n}`), enrolled(`d${n}`, `t${n}`)]).flat();

  it('in quarantine, many of them, are told; a few are not', async () => {
    await append(made, ...fleet(20));
    const quarantine = (from: number, to: number) =>
      append(
        made,
        ...Array.from({ length: to - from }, (_, n) => deviceState(`d${from + n}`, 'quarantined')),
      );
    await quarantine(0, 4);
    expect((await shortly(devicesCheck)).filter((line) => line.includes('quarantine'))).toEqual([]);
    await quarantine(4, 6);
    expect(await shortly(devicesCheck)).toContain('warning: 6 of 20 devices are in quarantine');
  });

  it('without a valid certificate, many of them, are told, and tokens that nobody used', async () => {
    expect(await shortly(devicesCheck)).toEqual(['ok: 0 in force']);
    // The samples are of the beginning of the year: their certificates and tokens have run out.
    await append(made, ...fleet(6), ...Array.from({ length: 5 }, (_, n) => tokenCreated(`idle${n}`)));
    expect(await shortly(devicesCheck)).toEqual([
      'warning: 6 of 6 devices have no valid certificate any more: they were away for long, or cannot reach the control plane',
      'hint: 5 enrollment tokens ran out unused, the last for alice@example.org',
    ]);
  });
});

describe('changes that take two people', () => {
  const nothing =
    'warning: changes.approvals is 2, and no change of policies, groups, administrators or firewalls can come through: ';
  const signIn = {
    issuer: 'https://login.example.org',
    clientId: 'postern',
    clientSecretFile: 'keys/sign-in-client.secret',
    idTokenAlgorithm: 'RS256',
    scopes: ['openid'],
    user: { claim: 'email', letters: 'lower-case' },
    users: 'enrolled',
    groupClaims: ['groups'],
    mfa: { acr: [], amr: ['mfa'] },
    lifetimeSeconds: 43_200,
    timeoutMs: 5000,
  };
  const owners = (name: string, role: string, members: unknown): Resource =>
    ({ kind: 'Administrator', name, role, members }) as Resource;

  it('are of no matter where one is enough', async () => {
    expect(await shortly(twoPeopleCheck)).toEqual(['ok: changes of policies take one person']);
  });

  it('cannot come through where nobody signs in, or fewer than two may approve', async () => {
    await set(made, ['changes'], { approvals: 2 });
    await put(owners('owners', 'owner', ['alice@example.org', 'bob@example.org']));
    // The key of the installation is nobody's, and without a provider neither of the two can sign in.
    expect(await shortly(twoPeopleCheck)).toEqual([
      `${nothing}nobody may approve, and without an identity provider nobody signs in`,
    ]);
    await set(made, ['signIn'], signIn);
    expect(await shortly(twoPeopleCheck)).toEqual([
      'ok: changes of policies take two people, and 2 may approve',
    ]);
    await put(owners('owners', 'owner', ['alice@example.org']), owners('soc', 'soc', ['bob@example.org']));
    expect(await shortly(twoPeopleCheck)).toEqual([`${nothing}only alice@example.org may approve`]);
    await put(owners('team', 'security', { claim: 'groups', value: 'team' }));
    expect(await shortly(twoPeopleCheck)).toEqual([
      'ok: changes of policies take two people; who may approve, a claim says at sign-in',
    ]);
  });

  it('count whose keys may approve, as long as they may', async () => {
    await set(made, ['changes'], { approvals: 2 });
    const keys = ['alice@example.org', 'bob@example.org'].map((person) => ({
      person,
      made: createApiKey({ name: person.slice(0, 3), role: 'security' }).event,
    }));
    const ledger = openLedger(made);
    for (const { person, made: event } of keys)
      await ledger.append((await ledger.head()).hash, `user:${person}`, [event]);
    await ledger.close();
    expect(await shortly(twoPeopleCheck)).toEqual([
      'ok: changes of policies take two people, and 2 may approve',
    ]);
    await append(made, { type: 'api-key-revoked', id: keys[0]?.made.id ?? '' });
    expect(await shortly(twoPeopleCheck)).toEqual([
      `${nothing}only bob@example.org may approve, and without an identity provider nobody signs in`,
    ]);
  });
});
