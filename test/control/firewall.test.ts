import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyPolicy } from '../../agent/firewall/verify-policy.ts';
import type { DeviceHistory } from '../../src/contract/control-api.ts';
import { checkResources } from '../../src/domain/check-resources.ts';
import type { Firewall, Group } from '../../src/domain/resources.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab } from './control-lab.ts';

const firewall = (name: string, more: Partial<Firewall> = {}): Firewall => ({
  kind: 'Firewall',
  name,
  inbound: [],
  ...more,
});
const group = (name: string, members: Group['members']): Group => ({ kind: 'Group', name, members });

describe('what a device is told', () => {
  let lab: ControlLab;
  beforeAll(async () => {
    lab = await startControlLab();
  });
  afterAll(() => lab.close());

  const apply = (resources: readonly object[], prune = false) =>
    lab.ask('POST', '/v1/apply', { body: { resources, prune } });
  /** What the helper on a laptop makes of it, believing the organization's root alone. */
  const toldTo = async (laptop: Awaited<ReturnType<ControlLab['enroll']>>, device = laptop.device) => {
    const { body } = await lab.ask('GET', '/v1/device/config', { key: null, client: laptop });
    const { rootPem: authorityPem, domain } = lab.organization;
    return verifyPolicy(String(body.firewall), { authorityPem, domain, device }, new Date());
  };

  it('is signed for it: that there is none, then the one for all, then the one for a group of its user', async () => {
    const laptop = await lab.enroll();
    const { user } = lab.store.state.devices.get(laptop.device as never) ?? {};
    expect(await toldTo(laptop)).toMatchObject({ policy: { firewall: null, sub: laptop.device } });
    const inbound = [{ protocol: 'tcp', ports: [22], addresses: ['10.0.0.0/8'] }] as const;
    const all = { ...firewall('all'), inbound };
    expect((await apply([all])).status).toBe(200);
    expect(await toldTo(laptop)).toMatchObject({ policy: { firewall: { name: 'all', inbound } } });
    const others = [group('others', ['nobody@example.org']), firewall('aside', { groups: ['others'] })];
    await apply(others);
    expect(await toldTo(laptop)).toMatchObject({ policy: { firewall: { name: 'all' } } });
    await apply([group('pilot', [String(user)]), firewall('tight', { groups: ['pilot'], outbound: [] })]);
    expect(await toldTo(laptop)).toMatchObject({ policy: { firewall: { name: 'tight', outbound: [] } } });
    expect(await toldTo(laptop, 'd-other')).toEqual({ problem: 'for another device' });
    await lab.ask('DELETE', '/v1/resources/firewall/tight', {});
    expect(await toldTo(laptop)).toMatchObject({ policy: { firewall: { name: 'all' } } });
  });

  it('may always reach the gateways of all zones, not only those of this server', async () => {
    const far = { zone: 'b', addresses: ['b.example.org:8443', '[fd00::2]:8443'] };
    const own = await startControlLab({
      gateway: { name: 'gateway.example.org', addresses: () => ['a.example.org:8443'], others: [far] },
    });
    try {
      const laptop = await own.enroll();
      const { body } = await own.ask('GET', '/v1/device/config', { key: null, client: laptop });
      const { rootPem: authorityPem, domain } = own.organization;
      const trust = { authorityPem, domain, device: laptop.device };
      expect(verifyPolicy(String(body.firewall), trust, new Date())).toMatchObject({
        policy: { gateways: ['a.example.org:8443', ...far.addresses] },
      });
    } finally {
      await own.close();
    }
  });

  it('is told once that it has left, which revokes it: it says so in its history, and nothing more is told to it', async () => {
    const laptop = await lab.enroll();
    const leave = () => lab.ask('POST', '/v1/device/leave', { key: null, client: laptop, body: {} });
    const { status, body } = await leave();
    const { rootPem: authorityPem, domain } = lab.organization;
    const trust = { authorityPem, domain, device: laptop.device };
    expect([status, verifyPolicy(String(body.firewall), trust, new Date())]).toEqual([
      200,
      { policy: expect.objectContaining({ firewall: null, left: true, sub: laptop.device }) },
    ]);
    const history = await lab.ask('GET', `/v1/devices/${laptop.device}/history`);
    const { changes } = history.body as DeviceHistory;
    expect(changes.at(-1)).toMatchObject({ state: 'revoked', by: `device:${laptop.device}` });
    expect(await leave()).toMatchObject({ status: 403, body: { code: 'device-revoked' } });
    const { body: config } = await lab.ask('GET', '/v1/device/config', { key: null, client: laptop });
    expect(config).toMatchObject({ code: 'device-revoked' });
    // Who has no certificate of the device takes nobody out.
    expect(await lab.ask('POST', '/v1/device/leave', { key: null, body: {} })).toMatchObject({ status: 401 });
  });

  it('is shown to administrators as any other resource, with its history in the ledger', async () => {
    expect(await lab.ask('GET', '/v1/resources/firewall/all')).toMatchObject({
      status: 200,
      body: { kind: 'Firewall', name: 'all' },
    });
    const wrong = await apply([{ ...firewall('bad'), inbound: [{ protocol: 'icmp', ports: [0] }] }]);
    expect(wrong.status).toBe(400);
    expect(lab.store.state.firewalls.has('bad')).toBe(false);
  });
});

describe('what no schema can say', () => {
  const claim = { claim: 'groups', value: 'finance' };
  const rule = (address: string): Firewall['inbound'][number] => ({
    protocol: 'tcp',
    ports: [22],
    addresses: [address],
  });
  it.each([
    ['two for all others', [firewall('a'), firewall('b')], /one firewall alone/],
    ['a group that is not there', [firewall('a', { groups: ['x'] })], /there is no group x/],
    ['a group by claim', [group('x', claim), firewall('a', { groups: ['x'] })], /goes by a claim/],
    ['no address', [firewall('a', { inbound: [rule('10.0.0')] })], /no numeric address/],
    ['too many bits', [firewall('a', { inbound: [rule('10.0.0.0/33')] })], /no numeric address/],
    ['IPv4 in IPv6 clothes', [firewall('a', { outbound: [rule('::ffff:10.0.0.1')] })], /no numeric address/],
  ])('refuses %s', (_, resources, message) => {
    const { problems } = checkResources(resources);
    expect(problems.map((problem) => problem.message).join('; ')).toMatch(message);
  });

  it('takes one for each group beside one for all others, and warns of a port that is open to anybody', () => {
    const resources = [
      group('x', ['alice@example.org']),
      firewall('a', { groups: ['x'], inbound: [rule('2001:db8::/32'), rule('0.0.0.0/0')] }),
      firewall('b'),
    ];
    const { problems, warnings } = checkResources(resources);
    expect(problems).toEqual([]);
    expect(warnings).toMatchObject([{ name: 'a', key: 'inbound[1]' }]);
  });
});
