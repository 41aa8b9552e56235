import { describe, expect, it } from 'vitest';
import { checkResources } from '../../src/domain/check-resources.ts';
import type { App, Attach, Group, Policy, Resource } from '../../src/domain/resources.ts';
import { app, network } from '../lab/resources.ts';

const tcp = (more: Partial<App> = {}): App =>
  app({ protocol: 'tcp', ports: [5432], upstreams: ['tcp://10.0.0.2:5432'], ...more });
const group = (...members: string[]): Group => ({ kind: 'Group', name: 'staff', members });

/** Problems as people read them. */
const problemsOf = (...resources: Resource[]): string[] =>
  checkResources(resources, ['gate.example.org', 'Control.Example.org']).problems.map(
    ({ kind, name, key, message }) => `${kind} ${name}: ${key}: ${message}`,
  );
const warningsOf = (...resources: Resource[]): string[] =>
  checkResources(resources).warnings.map(
    ({ kind, name, key, message }) => `${kind} ${name}: ${key}: ${message}`,
  );

describe('an app among the others', () => {
  it('passes with its network, an upstream in it, and a host of its own', () => {
    expect(checkResources([network(), app()])).toEqual({ problems: [], warnings: [] });
    expect(problemsOf(network(), tcp())).toEqual([]);
  });

  it.each<[string, App['dataLoss'], string | undefined]>([
    ['nothing', undefined, undefined],
    ['a pattern', { patterns: [{ name: 'dossier', pattern: 'DOS-[0-9]{6}' }] }, undefined],
    [
      'a pattern that is none of RE2',
      { patterns: [{ name: 'dossier', pattern: '(?=DOS)' }] },
      'dataLoss.patterns[0].pattern: is no pattern of RE2: invalid or unsupported Perl syntax: `(?=`',
    ],
    [
      'a pattern that finds nothing everywhere',
      { patterns: [{ name: 'dossier', pattern: '[0-9]*' }] },
      'dataLoss.patterns[0].pattern: finds the empty text',
    ],
    [
      'a pattern named as a kind',
      { patterns: [{ name: 'iban', pattern: 'x' }] },
      'dataLoss.patterns[0].name: iban is taken',
    ],
    [
      'none of the kinds',
      { thresholds: { iban: 0, card: 0, nir: 0, email: 0 } },
      'dataLoss: looks for nothing: take dlp out of `inspect` instead',
    ],
  ])('may look contents through for %s', (_what, dataLoss, problem) => {
    const more = dataLoss === undefined ? {} : { dataLoss };
    expect(problemsOf(network(), app({ inspect: ['dlp'], ...more }))).toEqual(
      problem === undefined ? [] : [`App grants: ${problem}`],
    );
    if (dataLoss !== undefined)
      expect(problemsOf(network(), app(more))[0]).toBe('App grants: dataLoss: needs `inspect: [dlp]`');
  });

  it.each<[string, Partial<App>, string | undefined]>([
    ['names for TLS', { protocol: 'tls', protocolCheck: { serverNames: ['a.example.org'] } }, undefined],
    ['what it records only', { protocol: 'ssh', protocolCheck: { mode: 'record' } }, undefined],
    ['what tcp does not say', { protocolCheck: { expect: 'smb' } }, undefined],
    [
      'the same twice',
      { protocol: 'ssh', protocolCheck: { expect: 'tls' } },
      'protocolCheck.expect: is already said by the protocol, which is ssh',
    ],
    [
      'nothing',
      { protocolCheck: { mode: 'record' } },
      'protocolCheck: needs `expect`: tcp does not say what the app speaks',
    ],
    [
      'datagrams in a stream',
      { protocolCheck: { expect: 'dns' } },
      'protocolCheck.expect: dns cannot be looked for in tcp',
    ],
    [
      'names for what has none',
      { protocol: 'ssh', protocolCheck: { serverNames: ['a.example.org'] } },
      'protocolCheck.serverNames: are for TLS',
    ],
    [
      'a tunnel that is none',
      { protocol: 'http', upstreams: ['http://10.0.0.2:80'], protocolCheck: { mode: 'block' } },
      'protocolCheck: is for tunnels; what an http app gets is HTTP, as the gateway has read it',
    ],
  ])('may expect of its tunnels %s', (_what, more, problem) => {
    expect(problemsOf(network(), tcp(more))).toEqual(problem === undefined ? [] : [`App grants: ${problem}`]);
  });

  it('needs a network that exists', () => {
    expect(problemsOf(app())).toEqual(['App grants: network: there is no network finance']);
  });

  it.each(['gate.example.org', 'control.example.org'])(
    'may not take %s, a name of the gateway itself',
    (host) => {
      expect(problemsOf(network(), app({ host }))).toEqual([
        `App grants: host: ${host} is a name of the gateway itself`,
      ]);
    },
  );

  it.each(['10.0.0.1', 'apps.0x7f'])(
    'may not have %s as a host, which some parsers read as an address',
    (host) => {
      expect(problemsOf(network(), app({ host }))).toEqual([
        `App grants: host: ${host} could be read as an address`,
      ]);
    },
  );

  it('shares the host of an http app with no other, whatever the ports', () => {
    const taken = ['App other: host: grants.apps.example.org is taken by app grants'];
    expect(problemsOf(network(), app(), app({ name: 'other' }))).toEqual(taken);
    expect(problemsOf(network(), app(), tcp({ name: 'other' }))).toEqual(taken);
    expect(problemsOf(network(), tcp(), app({ name: 'other', ports: [8443] }))).toEqual(taken);
  });

  it('may share a host among apps of other protocols if no port leads to two of them', () => {
    expect(problemsOf(network(), tcp(), tcp({ name: 'other', ports: [22] }))).toEqual([]);
    expect(problemsOf(network(), tcp(), tcp({ name: 'other', ports: [22, 5432] }))).toEqual([
      'App other: host: grants.apps.example.org is taken by app grants',
    ]);
  });

  it('needs ports unless it is an http app, each once', () => {
    const { ports: _, ...portless } = tcp();
    expect(problemsOf(network(), portless)).toEqual([
      'App grants: ports: is missing: say which ports clients of a tcp app connect to',
    ]);
    expect(problemsOf(network(), tcp({ ports: [22, 22] }))).toEqual([
      'App grants: ports[1]: 22 is listed twice',
    ]);
  });

  it('is asked for its health by HTTP only, at a plain path, neither all the time nor never', () => {
    const health = { path: '/healthz', every: '5s' };
    expect(problemsOf(network(), app({ health }))).toEqual([]);
    expect(problemsOf(network(), tcp({ health }))).toEqual([
      'App grants: health: asks by HTTP, and this is a tcp app',
    ]);
    for (const every of ['99ms', '61m', '0s', '99999999999999999999m'])
      expect(problemsOf(network(), app({ health: { ...health, every } }))).toEqual([
        'App grants: health.every: must lie between 100ms and 60m',
      ]);
    for (const path of ['/a b', '/a#b', '/é', '/a\r\nHost: x'])
      expect(problemsOf(network(), app({ health: { ...health, path } }))).toHaveLength(1);
  });
});

describe('the rules that an app has its requests inspected by', () => {
  const inspected = (waf: App['waf']): readonly string[] =>
    problemsOf(network(), app({ inspect: ['waf'], ...(waf === undefined ? {} : { waf }) }));

  it('may be told how, or nothing', () => {
    expect(inspected(undefined)).toEqual([]);
    expect(inspected({})).toEqual([]);
    expect(
      inspected({
        mode: 'block',
        paranoia: 2,
        threshold: 10,
        whenTooLarge: 'refuse',
        exclude: [{ rules: [942100, '942200-942299'], paths: ['/a/*'], arguments: ['q'] }],
      }),
    ).toEqual([]);
  });

  it('are told nothing where they are not asked', () => {
    expect(problemsOf(network(), app({ waf: { mode: 'block' } }))).toEqual([
      'App grants: waf: needs `inspect: [waf]`',
    ]);
    expect(inspected({ whenTooLarge: 'refuse' })).toEqual([
      'App grants: waf.whenTooLarge: needs `mode: block`: in mode detect everything passes',
    ]);
  });

  it('leave out something, but not everything and not backwards', () => {
    expect(inspected({ exclude: [{}] })).toEqual([
      'App grants: waf.exclude[0]: leaves out everything: take waf out of `inspect` instead',
    ]);
    expect(inspected({ exclude: [{ rules: ['942299-942200'] }] })).toEqual([
      'App grants: waf.exclude[0].rules[0]: 942299-942200 ends before it begins',
    ]);
  });
});

describe('an upstream', () => {
  it.each<[App['protocol'], string, boolean]>([
    ['http', 'https://10.0.0.2:443', true],
    ['http', 'tcp://10.0.0.2:443', false],
    ['tls', 'tcp://10.0.0.2:443', true],
    ['tls', 'https://10.0.0.2:443', false],
    ['ssh', 'tcp://10.0.0.2:22', true],
    ['ssh', 'udp://10.0.0.2:22', false],
    ['udp', 'udp://10.0.0.2:53', true],
    ['udp', 'tcp://10.0.0.2:53', false],
  ])('of a %s app: %s fits: %s', (protocol, upstream, fits) => {
    const problems = problemsOf(network(), app({ protocol, ports: [443], upstreams: [upstream] }));
    expect(problems).toHaveLength(fits ? 0 : 1);
    if (!fits) expect(problems[0]).toMatch(/^App grants: upstreams\[0\]: a \w+ app needs (http|tcp|udp):/);
  });

  const attached: Readonly<Record<string, Attach>> = {
    netns: { netns: 'pn-finance' },
    remote: { connector: 'remote' },
    sourceAddress: { sourceAddress: '10.7.0.5' },
    direct: { direct: true },
  };
  it.each<[string, string, readonly string[]]>([
    ['an address in the network', 'http://10.0.0.2:80', ['netns', 'remote', 'sourceAddress', 'direct']],
    ['an IPv6 address', 'http://[fd00::2]:80', ['netns', 'remote', 'sourceAddress', 'direct']],
    ['the loopback address', 'http://127.0.0.1:80', ['sourceAddress', 'direct']],
    ['another loopback address', 'http://127.9.9.9:80', ['sourceAddress', 'direct']],
    ['the loopback address of IPv6', 'http://[::1]:80', ['sourceAddress', 'direct']],
    ['a name where nothing resolves it', 'http://db.internal:80', ['direct']],
    ['localhost', 'http://localhost:80', ['direct']],
    ['the metadata service of clouds', 'http://169.254.169.254:80', []],
    ['a link-local IPv6 address', 'http://[fe80::1]:80', []],
    ['the address of nobody', 'http://0.0.0.0:80', []],
    ['the IPv6 address of nobody', 'http://[::]:80', []],
    ['a multicast address', 'http://224.0.0.1:80', []],
    ['the broadcast address', 'http://255.255.255.255:80', []],
    ['IPv4 in IPv6 clothes', 'http://[::ffff:10.0.0.2]:80', []],
    ['loopback in IPv6 clothes', 'http://[::ffff:7f00:1]:80', []],
    ['translated metadata', 'http://[64:ff9b::a9fe:a9fe]:80', []],
  ])('may be %s in networks that can reach it, and no others', (_, upstream, allowed) => {
    const passing = Object.entries(attached)
      .filter(([, attach]) => problemsOf(network({ attach }), app({ upstreams: [upstream] })).length === 0)
      .map(([name]) => name);
    expect(passing).toEqual(allowed);
  });

  it('may be a name where the network has a resolver', () => {
    const upstreams = ['http://db.internal:80'];
    expect(problemsOf(network({ dns: ['10.0.0.53'] }), app({ upstreams }))).toEqual([]);
    expect(problemsOf(network({ dns: [] }), app({ upstreams }))).toEqual([
      'App grants: upstreams[0]: db.internal is a name, and network finance has no dns to resolve it with',
    ]);
  });

  it('is listed once, by whatever scheme', () => {
    expect(problemsOf(network(), app({ upstreams: ['http://10.0.0.2:80', 'http://10.0.0.3:80'] }))).toEqual(
      [],
    );
    expect(problemsOf(network(), app({ upstreams: ['http://10.0.0.2:80', 'https://10.0.0.2:80'] }))).toEqual([
      'App grants: upstreams[1]: https://10.0.0.2:80 is listed twice',
    ]);
  });
});

describe('a network', () => {
  it('has numeric addresses for its resolvers and its source', () => {
    expect(problemsOf(network({ dns: ['10.0.0.53', 'fd00::53'] }), app())).toEqual([]);
    expect(problemsOf(network({ dns: ['10.0.0.053', 'ns.example.org'] }), app())).toEqual([
      'Network finance: dns[0]: must be a numeric address',
      'Network finance: dns[1]: must be a numeric address',
    ]);
    expect(problemsOf(network({ attach: { sourceAddress: 'eth0' } }), app())).toEqual([
      'Network finance: attach.sourceAddress: must be a numeric address',
    ]);
  });
});

describe('a scan for malware', () => {
  it('is for http, and set where it is asked for', () => {
    expect(
      problemsOf(network(), app({ inspect: ['malware'], malware: { whenUnavailable: 'pass' } })),
    ).toEqual([]);
    expect(problemsOf(network(), app({ malware: { maxBytes: 5000 } }))).toEqual([
      'App grants: malware: needs `inspect: [malware]`',
    ]);
  });
});

describe('a group', () => {
  it('has members that a token can name', () => {
    expect(problemsOf(group('alice@example.org', 'bob', 'renée@example.org'))).toEqual([]);
    for (const member of ['alice @example.org', ' bob', 'bob\u200b', 'bob\u0000', '\ud800'])
      expect(problemsOf(group(member))).toEqual([expect.stringContaining('blanks or invisible characters')]);
  });

  it('by a claim is not looked into', () => {
    expect(problemsOf({ kind: 'Group', name: 'staff', members: { claim: 'groups', value: 'a b' } })).toEqual(
      [],
    );
  });
});

describe('what may surprise is said', () => {
  const policy = (mode?: 'enforce' | 'shadow'): Policy => ({
    kind: 'Policy',
    name: 'p',
    cedar: 'permit(principal, action, resource);',
    ...(mode === undefined ? {} : { mode }),
  });

  it.each<[string, Resource[], string]>([
    [
      'rules for what is no HTTP',
      [network(), app({ protocol: 'tcp', ports: [9], upstreams: ['tcp://10.0.0.2:9'], inspect: ['waf'] })],
      'App grants: inspect: waf reads HTTP, and this is a tcp app: flows to it are refused',
    ],
    ['a network without apps', [network()], 'Network finance: : has no apps'],
    [
      'a policy in the shadow',
      [policy('shadow')],
      'Policy p: mode: shadow: it is evaluated and logged, never enforced',
    ],
    [
      'a direct network',
      [network({ attach: { direct: true } }), app()],
      'Network finance: attach.direct: gives no isolation; it is meant for development',
    ],
    [
      'a remote connector',
      [network({ attach: { connector: 'remote' } }), app()],
      'Network finance: attach.connector: remote connectors are not available in this version: its flows are refused',
    ],
    [
      'two networks in one namespace',
      [network(), network({ name: 'hr' }), app(), app({ name: 'hr', host: 'hr.example.org', network: 'hr' })],
      'Network hr: attach.netns: is the namespace of network finance too: nothing parts the two',
    ],
    ['an empty group', [group()], 'Group staff: members: is empty'],
    [
      'a member twice',
      [group('alice@example.org', 'Alice@example.org')],
      'Group staff: members[1]: Alice@example.org is listed already, at members[0]',
    ],
  ])('%s', (_, resources, warning) => {
    expect(problemsOf(...resources)).toEqual([]);
    expect(warningsOf(...resources)).toEqual([warning]);
  });

  it('and what does not is not', () => {
    expect(warningsOf(network(), app({ inspect: [] }), group('alice'), policy('enforce'), policy())).toEqual(
      [],
    );
  });
});
