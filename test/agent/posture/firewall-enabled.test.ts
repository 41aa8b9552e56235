import { describe, expect, it } from 'vitest';
import {
  firewallEnabled,
  readApplicationFirewall,
  readFirewallProfiles,
} from '../../../agent/posture/checks/firewall-enabled.ts';
import { refusedFamilies, refusesInIptables } from '../../../agent/posture/packet-filter.ts';
import { answering, recorded, useSystem } from './lab.ts';

const system = useSystem();
const list = '/usr/sbin/nft -j list ruleset';

describe('rules of nftables', () => {
  const chain = (policy: string) => ({
    chain: { family: 'inet', table: 'f', name: 'in', hook: 'input', policy },
  });
  const rule = (...expr: object[]) => ({ rule: { family: 'inet', table: 'f', chain: 'in', expr } });
  const match = { match: { op: '==', left: 'x', right: 'y' } };
  const both = ['ip', 'ip6'];

  it.each([
    ['a chain that drops', [chain('drop')], both],
    [
      'a last rule that rejects',
      [chain('accept'), rule(match, { accept: null }), rule({ counter: {} }, { reject: {} })],
      both,
    ],
    ['a last rule that rejects some', [chain('accept'), rule(match, { reject: {} })], []],
    ['a rule that accepts all before the policy drops', [chain('drop'), rule({ accept: null })], []],
    ['a chain that accepts', [chain('accept')], []],
    ['no rules', [], []],
  ])('with %s', (_, nftables, expected) => {
    const output = JSON.stringify({ nftables: [{ metainfo: {} }, ...nftables] });
    expect([...refusedFamilies(output)]).toEqual(expected);
  });

  it.each([
    ['nft-firewalld.json', both],
    ['nft-accepts-first.json', []],
    ['nft-ipv4-only.json', ['ip']],
  ])('as nft lists them in %s', (file, expected) => {
    expect([...refusedFamilies(recorded(file))]).toEqual(expected);
  });
});

describe('on Linux, as root', () => {
  const root = { privileged: true, uid: 0 };

  it('wants both families where the machine has both, and one where it has one', async () => {
    const run = answering({ [list]: recorded('nft-ipv4-only.json') });
    expect((await system.find(firewallEnabled, { ...root, run })).value).toBe(true);
    system.lay({ '/proc/net/if_inet6': '00000000000000000000000000000001 01 80 10 80       lo\n' });
    expect(await system.find(firewallEnabled, { ...root, run })).toEqual({
      value: false,
      reason: 'nothing refuses incoming IPv6',
    });
  });

  it('looks at iptables of the old kind where it is in use', async () => {
    const none = JSON.stringify({ nftables: [{ metainfo: {} }] });
    const save = recorded('iptables-legacy-ufw.txt');
    const run = answering({ [list]: none, '/usr/sbin/iptables-legacy-save -t filter': save });
    expect((await system.find(firewallEnabled, { ...root, run })).value).toBe(false);
    system.lay({ '/proc/net/ip_tables_names': 'filter\n' });
    expect((await system.find(firewallEnabled, { ...root, run })).value).toBe(true);
    expect(refusesInIptables(save.replace('INPUT DROP', 'INPUT ACCEPT'))).toBe(false);
    expect(refusesInIptables(save.replace('-A INPUT', '-A INPUT -j ACCEPT\n-A INPUT'))).toBe(false);
    expect(refusesInIptables('')).toBe(false);
  });
});

describe('on Linux, as an ordinary user', () => {
  const unit = (name: string) => ({ [`/run/systemd/units/invocation:${name}.service`]: '' });

  it.each([
    ['nothing that it may read', {}, 'unknown'],
    [
      'ufw',
      {
        ...unit('ufw'),
        '/etc/ufw/ufw.conf': 'ENABLED=yes\n',
        '/etc/default/ufw': 'DEFAULT_INPUT_POLICY="DROP"\n',
      },
      true,
    ],
    ['ufw switched off', { ...unit('ufw'), '/etc/ufw/ufw.conf': 'ENABLED=no\n' }, false],
    [
      'ufw that accepts',
      {
        ...unit('ufw'),
        '/etc/ufw/ufw.conf': 'ENABLED=yes\n',
        '/etc/default/ufw': 'DEFAULT_INPUT_POLICY="ACCEPT"\n',
      },
      false,
    ],
    [
      'ufw that is configured and not started',
      { '/etc/ufw/ufw.conf': 'ENABLED=yes\n', '/etc/default/ufw': 'DEFAULT_INPUT_POLICY="DROP"\n' },
      'unknown',
    ],
  ])('with %s', async (_, files, expected) => {
    system.lay(files);
    expect((await system.find(firewallEnabled)).value).toBe(expected);
  });

  it.each([
    ['public', true],
    ['trusted', false],
  ])('with firewalld and the zone %s', async (zone, expected) => {
    system.lay(unit('firewalld'));
    const run = answering({ '/usr/bin/firewall-cmd --get-default-zone': `${zone}\n` });
    expect((await system.find(firewallEnabled, { run })).value).toBe(expected);
  });
});

it.each([
  ['Firewall is enabled. (State = 1) \n', true],
  ['Firewall is blocking all non-essential incoming connections. (State = 2)\n', true],
  ['Firewall is disabled. (State = 0)\n', false],
  ['', 'unknown'],
])('reads what socketfilterfw of macOS says: %j', (output, expected) => {
  expect(readApplicationFirewall(output).value).toBe(expected);
});

describe('profiles of Windows', () => {
  const profile = (name: string, enabled: number, action: number) => ({
    Name: name,
    Enabled: enabled,
    DefaultInboundAction: action,
  });
  const good = [profile('Domain', 1, 4), profile('Private', 1, 0)];
  it.each([
    ['all on', [...good, profile('Public', 1, 4)], true],
    ['one off', [...good, profile('Public', 0, 4)], false],
    ['one open', [...good, profile('Public', 1, 2)], false],
    ['none', [], 'unknown'],
    ['something else', [{ Name: 'x' }], 'unknown'],
  ])('with %s', (_, profiles, expected) => {
    expect(readFirewallProfiles(JSON.stringify(profiles)).value).toBe(expected);
  });
});
