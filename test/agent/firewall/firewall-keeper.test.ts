import { beforeEach, describe, expect, it } from 'vitest';
import { createFirewallKeeper } from '../../../agent/firewall/firewall-keeper.ts';
import type { FirewallKeeper } from '../../../agent/firewall/firewall-keeper.ts';
import type { FirewallPlan, Peer } from '../../../agent/firewall/firewall-plan.ts';
import { createAddressBook, parsePeer } from '../../../agent/firewall/peers.ts';
import { makeOrganization } from '../../lab/pki.ts';
import { createFakeClock } from '../lab/fake-clock.ts';
import { labFiles, policyOf, signPolicy, trustOf } from './lab.ts';

const organization = await makeOrganization();
const signer = await organization.issuePolicySigner();
const carried = (more: Parameters<typeof policyOf>[0] = {}): string => signPolicy(signer, policyOf(more));

/** A packet filter that holds one plan, and a network that it can cut off. */
let plan: FirewallPlan | undefined;
let loads = 0;
/** Whom a plan that limits what goes out does not let through, though it should. */
let cutOff: readonly string[];
let names: Record<string, readonly string[]>;
let clock: ReturnType<typeof createFakeClock>;
let files: ReturnType<typeof labFiles>;
let keeper: FirewallKeeper;

beforeEach(() => {
  plan = undefined;
  loads = 0;
  cutOff = [];
  names = {};
  clock = createFakeClock();
  files = labFiles(trustOf(organization));
  keeper = makeKeeper();
});

const makeKeeper = (): FirewallKeeper =>
  createFirewallKeeper({
    files,
    clock,
    filter: {
      load: (next) => {
        plan = next;
        loads += 1;
        return Promise.resolve();
      },
      listing: () => Promise.resolve(plan && JSON.stringify(plan)),
      remove: () => Promise.resolve((plan = undefined)),
    },
    network: {
      resolve: (host) => {
        const found = names[host] ?? (/^[\d.]+$/.test(host) ? [host] : undefined);
        return found === undefined ? Promise.reject(new Error('no answer')) : Promise.resolve(found);
      },
      canReach: ({ address }) => Promise.resolve(plan?.outbound === undefined || !cutOff.includes(address)),
    },
  });

const tight = { name: 'tight', inbound: [], outbound: [] };

it('applies what the control plane signed, once, and says so', async () => {
  expect(await keeper.look()).toEqual({ state: 'none' });
  files.carry(carried());
  expect(await keeper.look()).toEqual({ state: 'applied', name: 'laptops' });
  expect(await keeper.look()).toEqual({ state: 'applied', name: 'laptops' });
  expect(loads).toBe(1);
  expect(plan?.peers).toEqual([
    { address: '192.0.2.1', port: 8443 },
    { address: '192.0.2.2', port: 8444 },
  ]);
});

it('puts back what somebody altered or took away', async () => {
  files.carry(carried());
  await keeper.look();
  plan = { inbound: [], outbound: undefined, peers: [] };
  expect(await keeper.look()).toMatchObject({ state: 'applied', reason: 'it was altered, and put back' });
  plan = undefined;
  await keeper.look();
  expect(plan).toBeDefined();
});

describe('an agent that is not to be trusted', () => {
  it('cannot open the firewall by taking the policy away, nor by laying down anything else', async () => {
    files.carry(carried({ firewall: tight }));
    await keeper.look();
    const before = plan;
    for (const attempt of [
      undefined,
      '',
      'x.y.z',
      signPolicy(await organization.issueGateway(), policyOf({ firewall: null })),
    ]) {
      files.carry(attempt);
      expect(await keeper.look()).toMatchObject({ state: 'applied', name: 'tight' });
      expect(plan).toEqual(before);
    }
  });

  it('cannot bring back an older policy, also after a restart of the helper', async () => {
    files.carry(carried({ iat: 1_795_000_100, firewall: tight }));
    await keeper.look();
    files.carry(carried({ iat: 1_795_000_000, firewall: null }));
    keeper = makeKeeper();
    expect(await keeper.look()).toMatchObject({ name: 'tight', refused: 'older than what is in force' });
  });
});

it('applies after a restart what was in force, before anything is carried, and though its signer ended meanwhile', async () => {
  files.carry(carried());
  await keeper.look();
  plan = undefined;
  files.carry(undefined);
  clock.advance(40 * 86_400_000);
  keeper = makeKeeper();
  expect(await keeper.look()).toMatchObject({ state: 'applied' });
  expect(plan).toBeDefined();
});

it('goes away when the control plane says that there is none, and when the laptop left', async () => {
  files.carry(carried());
  await keeper.look();
  files.carry(carried({ iat: 1_795_000_001, firewall: null }));
  expect(await keeper.look()).toEqual({ state: 'none' });
  expect(plan).toBeUndefined();
  files.carry(carried({ iat: 1_795_000_002 }));
  await keeper.look();
  files.forget();
  expect(await keeper.look()).toMatchObject({ state: 'none' });
  expect(plan).toBeUndefined();
});

it('goes for good when the control plane says that the laptop has left, and whoever signed it is believed no more', async () => {
  files.carry(carried({ firewall: tight }));
  await keeper.look();
  files.carry(carried({ iat: 1_795_000_001, firewall: null, left: true }));
  expect(await keeper.look()).toEqual({ state: 'none', reason: 'the laptop has left' });
  expect([plan, files.trust(), files.kept()]).toEqual([undefined, undefined, undefined]);
  files.carry(carried({ iat: 1_795_000_002, firewall: tight }));
  expect(await keeper.look()).toMatchObject({ state: 'none' });
});

it.each([
  ['for another device', { sub: 'd-other' }],
  ['of another organization', { iss: 'spiffe://example.com/control' }],
  ['older than what is in force', { iat: 1 }],
])('does not go for a word of leaving that is %s', async (refused, more) => {
  files.carry(carried({ firewall: tight }));
  await keeper.look();
  files.carry(carried({ iat: 1_795_000_001, firewall: null, left: true, ...more }));
  expect(await keeper.look()).toMatchObject({ state: 'applied', name: 'tight', refused });
});

describe('a firewall that cuts off a gateway or the control plane', () => {
  it.each([['192.0.2.1'], ['192.0.2.2']])('is taken back: %s', async (address) => {
    files.carry(carried());
    await keeper.look();
    cutOff = [address];
    files.carry(carried({ iat: 1_795_000_001, firewall: tight }));
    expect(await keeper.look()).toMatchObject({ state: 'rolled-back', name: 'tight' });
    expect(plan?.outbound).toBeUndefined();
    const after = loads;
    expect(await keeper.look()).toMatchObject({ state: 'rolled-back' });
    expect(loads).toBe(after);
    // Not for ever: the network may have been at fault.
    cutOff = [];
    clock.advance(601_000);
    expect(await keeper.look()).toMatchObject({ state: 'applied', name: 'tight' });
  });

  it('leaves nothing behind where nothing was before', async () => {
    cutOff = ['192.0.2.1'];
    files.carry(carried({ firewall: tight }));
    expect(await keeper.look()).toMatchObject({ state: 'rolled-back' });
    expect(plan).toBeUndefined();
  });
});

it('looks again soon while a gateway has no address, as before the first network of the day', async () => {
  files.carry(carried({ firewall: tight, gateways: ['gw.example.org:8443'] }));
  expect(await keeper.look()).toMatchObject({ state: 'applied' });
  expect(keeper.isWaiting()).toBe(true);
  names = { 'gw.example.org': ['192.0.2.7'] };
  await keeper.look();
  expect(keeper.isWaiting()).toBe(false);
  expect(plan?.peers.map(({ address }) => address)).toContain('192.0.2.7');
});

it('follows a name that leads elsewhere, and keeps where it led while nobody answers', async () => {
  names = { 'gw.example.org': ['192.0.2.7'] };
  files.carry(carried({ firewall: tight, gateways: ['gw.example.org:8443'] }));
  const addresses = (): string[] => plan?.peers.map(({ address }) => address) ?? [];
  await keeper.look();
  expect(addresses()).toContain('192.0.2.7');
  names = {};
  await keeper.look();
  expect(addresses()).toContain('192.0.2.7');
  names = { 'gw.example.org': ['192.0.2.8'] };
  await keeper.look();
  expect(addresses()).toEqual(expect.arrayContaining(['192.0.2.7', '192.0.2.8']));
});

it('says what the system said when it does not take the rules', async () => {
  files.carry(carried());
  const failing = createFirewallKeeper({
    files,
    clock,
    filter: {
      load: () => Promise.reject(new Error('no such module')),
      listing: () => Promise.resolve(undefined),
      remove: () => Promise.resolve(),
    },
    network: { resolve: (host) => Promise.resolve([host]), canReach: () => Promise.resolve(true) },
  });
  expect(await failing.look()).toEqual({ state: 'failed', reason: 'no such module' });
});

it('takes no address that is none, and bounds how many it keeps', async () => {
  let round = 0;
  const book = createAddressBook({
    resolve: () => Promise.resolve([`192.0.2.${round++}`, 'fe80::1%eth0', 'x; drop']),
  });
  let found: readonly (readonly Peer[])[] = [];
  for (let time = 0; time < 40; time += 1) found = await book.lookUp([{ host: 'gw', port: 1 }]);
  expect(found[0]).toHaveLength(16);
  expect(found[0]?.every(({ address }) => /^192\.0\.2\.\d+$/.test(address))).toBe(true);
});

it.each([
  ['https://control.example.org:8444', { host: 'control.example.org', port: 8444 }],
  ['https://control.example.org', { host: 'control.example.org', port: 443 }],
  ['[2001:db8::1]:8443', { host: '2001:db8::1', port: 8443 }],
  ['gw.example.org:0', undefined],
  ['https://user@gw.example.org/', undefined],
  ['', undefined],
])('reads %j as a place', (text, expected) => {
  expect(parsePeer(text)).toEqual(expected);
});
