import { expect, it } from 'vitest';
import { settingsTemplate } from '../../src/cli/settings-template.ts';
import { loadSettings, parseSettings, SettingsError } from '../../src/control/settings-file.ts';

const template = settingsTemplate({ domain: 'example.org', controlNames: ['localhost', '127.0.0.1', '::1'] });
const problemsOf = (text: string): readonly string[] => {
  try {
    parseSettings(text, 'postern.yaml');
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
};

it('reads what init writes into a value that nothing can change', () => {
  const settings = parseSettings(template, 'postern.yaml');
  expect(settings).toMatchObject({
    version: 1,
    domain: 'example.org',
    data: '.',
    control: { names: ['localhost', '127.0.0.1', '::1'] },
  });
  expect(() => {
    (settings.limits as { maxHeaderBytes: number }).maxHeaderBytes = 1;
  }).toThrow(TypeError);
  expect(() => settings.control.names.push('x')).toThrow(TypeError);
});

it('takes a number of workers, and says what is wrong with one that cannot be', () => {
  const workers = (text: string): string => template.replace('workers: auto', `workers: ${text}`);
  expect(parseSettings(workers('2'), 'postern.yaml').gateway.workers).toBe(2);
  expect(problemsOf(workers('0'))).toEqual([
    expect.stringContaining('gateway.workers: must lie between 1 and 256, not 0'),
  ]);
  expect(problemsOf(workers('1.5'))).toEqual([
    expect.stringContaining('gateway.workers: must be exactly one of integer, string'),
  ]);
});

it('reads the settings that are commented out once they are commented in', () => {
  const all = template
    .replace(/^# (runAs:)\n# ( {2}uid: \d+)\n# ( {2}gid: \d+)$/m, '$1\n$2\n$3')
    .replace(/^# (upstreamAuthorities: .*)$/m, '$1')
    .replace(/^# (changes:)\n# ( {2}approvals: 2)$/m, '$1\n$2')
    .replace(/^ledger:\n {2}embedded: true\n((?:#.*\n)+)/m, (_, lines: string) =>
      lines.replaceAll(/^# /gm, ''),
    );
  expect(parseSettings(all, 'postern.yaml')).toMatchObject({
    runAs: { uid: 990, gid: 990 },
    upstreamAuthorities: 'upstream-ca.pem',
    changes: { approvals: 2 },
    ledger: { redis: { master: 'postern', prefix: 'postern' } },
  });
});

it('says what the least is where there is no most', () => {
  const limits = '  rateLimits:\n    perAddress: 12000\n    perAdministrator: 5';
  expect(problemsOf(template.replace(/^ {2}# rateLimits:$/m, limits))).toEqual([
    expect.stringContaining('control.rateLimits.perAdministrator: must be at least 60, not 5'),
  ]);
});

it('takes gateways and rate limits of the control plane, and refuses an address with a path and an id twice', () => {
  const withGateways = (...gateways: string[]): string =>
    template.replace(
      /^ {2}# gateways:\n {2}# {3}- .*\n/m,
      `  gateways:\n${gateways.map((each) => `    - ${each}\n`).join('')}`,
    );
  const a = "{ id: gateway-a, operator: 'http://10.0.0.5:9464' }";
  const both = withGateways(a, "{ id: gateway-b, operator: 'http://[fd00::5]:9464' }").replace(
    /^ {2}# rateLimits:\n {2}# {3}perAddress: (\d+)\n {2}# {3}perAdministrator: (\d+)$/m,
    '  rateLimits:\n    perAddress: $1\n    perAdministrator: $2',
  );
  expect(parseSettings(both, 'postern.yaml').control).toMatchObject({
    gateways: [{ id: 'gateway-a', operator: 'http://10.0.0.5:9464' }, { id: 'gateway-b' }],
    rateLimits: { perAddress: 12_000, perAdministrator: 6000 },
  });
  expect(problemsOf(withGateways(a, a))).toEqual([
    expect.stringMatching(/^postern\.yaml:\d+: control\.gateways\[1\]\.id: gateway-a is listed twice$/),
  ]);
  expect(problemsOf(withGateways("{ id: a, operator: 'http://10.0.0.5:9464/x' }"))).toHaveLength(1);
});

it('takes a zone and the gateways of other servers, and refuses one that nobody could reach', () => {
  const withOthers = (other: string): string =>
    template
      .replace(/^ {2}# (zone: .*)$/m, '  $1')
      .replace(/^ {2}# others:\n {2}# {3}- .*\n/m, `  others:\n    - ${other}\n`);
  const [, other = ''] = /^ {2}# {3}- (\{ zone: .*\})$/m.exec(template) ?? [];
  expect(parseSettings(withOthers(other), 'postern.yaml').gateway).toMatchObject({
    zone: 'zone-a',
    others: [{ zone: 'zone-b', addresses: ['gateway-b.example.org:8443'] }],
  });
  expect(problemsOf(withOthers("{ zone: zone-b, addresses: ['gateway-b.example.org'] }"))).toEqual([
    expect.stringContaining('gateway.others[0].addresses[0]: '),
  ]);
  expect(problemsOf(withOthers('{ zone: zone-b, addresses: [] }'))).toHaveLength(1);
});

it('reports every problem at once, each with file, line and key', () => {
  const wrong = template
    .replace('  port: 8443', '  prot: 8443')
    .replace('minTlsVersion: TLSv1.3', 'minTlsVersion: TLSv1.1')
    .replace('level: info', 'level: loud')
    .replace('  dialTimeoutMs: 5000\n', '');
  const lineOf = (text: string): number => wrong.split('\n').findIndex((line) => line.includes(text)) + 1;
  const problems = problemsOf(wrong);
  expect(problems).toEqual([
    expect.stringMatching(new RegExp(`^postern\\.yaml:\\d+: gateway: \`port\` is missing`)),
    expect.stringMatching(new RegExp(`^postern\\.yaml:${lineOf('prot:')}: gateway\\.prot: unknown key`)),
    expect.stringMatching(new RegExp(`^postern\\.yaml:${lineOf('TLSv1.1')}: gateway\\.minTlsVersion: `)),
    expect.stringMatching(new RegExp(`^postern\\.yaml:\\d+: limits: \`dialTimeoutMs\` is missing`)),
    expect.stringMatching(new RegExp(`^postern\\.yaml:${lineOf('loud')}: log\\.level: `)),
  ]);
});

it.each([
  ['a key that is given twice', `${template}\nversion: 1\n`, /Map keys must be unique/],
  ['text that is no YAML', 'version: [1\n', /^postern\.yaml:\d+: /],
  ['nothing at all', '', /must be a set of keys and values/],
  ['a list', '- version: 1\n', /must be a set of keys and values/],
  [
    'an alias bomb',
    `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c]\n`,
    /^postern\.yaml/,
  ],
])('refuses %s', (_what, text, says) => {
  expect(problemsOf(text).join('\n')).toMatch(says);
});

it('says that a file is not there', () => {
  expect(() => loadSettings('/nonexistent/postern.yaml')).toThrow('/nonexistent/postern.yaml: no such file');
});

const withRedis = (redis: string): string => template.replace('  embedded: true\n', `  redis: ${redis}\n`);

it.each([
  `{ url: 'redis://127.0.0.1:6379/2', prefix: postern }`,
  `{ url: 'rediss://[::1]', prefix: postern, username: postern, passwordFile: p, caFile: ca.pem, waitForReplicas: 1 }`,
  `{ sentinels: ['rediss://a:26379', 'rediss://b'], master: m, prefix: postern, sentinelPasswordFile: p }`,
  `{ cluster: ['redis://a:7000'], prefix: two }`,
])('takes a ledger in Redis: %s', (redis) => {
  expect(problemsOf(withRedis(redis))).toEqual([]);
});

it.each([
  [`{ prefix: postern }`, /ledger\.redis: needs exactly one of `url`/],
  [`{ url: 'redis://a', cluster: ['redis://b'], prefix: p }`, /needs exactly one of `url`/],
  [`{ sentinels: ['redis://a'], prefix: p }`, /`sentinels` and `master` go together/],
  [`{ sentinels: ['redis://a', 'rediss://b'], master: m, prefix: p }`, /sentinels: all of them with TLS/],
  [`{ cluster: ['redis://a/1'], prefix: p }`, /cluster: a database number goes with `url` only/],
  [`{ url: 'redis://user:secret@a', prefix: p }`, /the user and password are settings of their own/],
  [`{ url: 'redis://a', prefix: '{x}' }`, /ledger\.redis\.prefix: /],
  [`{ url: 'redis://a', caFile: ca.pem, prefix: p }`, /caFile: is for TLS/],
  [`{ url: 'redis://a', username: u, prefix: p }`, /username: needs `passwordFile`/],
  [`{ url: 'redis://a', sentinelPasswordFile: f, prefix: p }`, /go with `sentinels`/],
  [
    `{ cluster: ['redis://a'], waitForReplicas: 1, prefix: p }`,
    /waitForReplicas: cannot be asked of a cluster/,
  ],
  [`{ url: 'redis://a', password: secret, prefix: p }`, /unknown key `password`/],
])('refuses a ledger in Redis of %s', (redis, says) => {
  const problems = problemsOf(withRedis(redis));
  expect(problems.join('\n')).toMatch(says);
  for (const problem of problems) expect(problem).toMatch(/^postern\.yaml:\d+: ledger\.redis/);
});

it('takes one or two administrators for a change, and no other number', () => {
  expect(problemsOf(`${template}changes: { approvals: 1 }\n`)).toEqual([]);
  expect(problemsOf(`${template}changes: { approvals: 3 }\n`)).toEqual([
    expect.stringMatching(/^postern\.yaml:\d+: changes\.approvals: must be one of 1, 2/),
  ]);
});
