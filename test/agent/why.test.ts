import { afterEach, beforeEach, expect, it } from 'vitest';
import { Value } from 'typebox/value';
import { createServer } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buildProblem } from '../../src/contract/refusals.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { whyLines } from '../../agent/why/lines.ts';
import { WhyReport } from '../../agent/why/report.ts';
import { criterionNames, postureHelp, stepNames, whyWords } from '../../agent/why/words.ts';
import { makeOrganization } from '../lab/pki.ts';
import { ask } from './lab/proxy-client.ts';
import { makeWorld, postureOf } from './lab/world.ts';
import type { Laptop, World } from './lab/world.ts';

let world: World;
let laptop: Laptop;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

async function connect(): Promise<void> {
  laptop = await world.startLaptop({ posture: postureOf('unknown') });
  await laptop.reach('connected');
}

async function why(asked: string, language = 'en'): Promise<WhyReport> {
  const answer = await ask(laptop.port, `/why/${encodeURIComponent(asked)}`, {
    headers: { 'accept-language': language },
  });
  const report: unknown = JSON.parse(answer.body);
  expect([answer.status, Value.Check(WhyReport, report)]).toEqual([200, true]);
  return report as WhyReport;
}
const outcomes = ({ steps }: WhyReport): string => steps.map(({ outcome }) => outcome[0]).join('');
const stepThatFailed = ({ steps }: WhyReport) => steps.find(({ outcome }) => outcome === 'failed');

/** What the gateway answers to a probe. */
const probe = (status: number, body: object): void =>
  void world.gateway.probes.set('grants', { status, body });
const refuse = (code: RefusalCode, detail?: string): void =>
  probe(
    buildProblem(code).status,
    buildProblem(code, 'en', { flowId: '01HZY', ...(detail === undefined ? {} : { detail }) }),
  );

it.each([
  'grants',
  'grants.apps.example.org',
  'GRANTS.apps.example.org:443',
  'https://grants.apps.example.org/a?b',
])('walks the whole way for %s, and finds nothing wrong', async (asked) => {
  await connect();
  probe(200, { app: 'grants', allowed: true, connected: true });
  const report = await why(asked);
  expect([report.ok, report.app, outcomes(report)]).toEqual([true, 'grants', 'ooooooooo']);
  expect(whyLines(report, 'fr').at(-1)).toContain('accessible');
  expect(world.gateway.requests.at(-1)?.headers[':path']).toBe('/.well-known/postern/probe/grants');
});

it.each(['nothing', 'grants.apps.example.org.evil.example', 'ledger.apps.example.org:22', 'https://%'])(
  'stops at the name %s, which is no application, and asks no gateway about it',
  async (asked) => {
    await connect();
    const report = await why(asked);
    expect([report.ok, report.failed, outcomes(report)]).toEqual([false, 'name', 'fuuuuuuuu']);
    expect(stepThatFailed(report)).toMatchObject({ code: 'application-unknown', help: expect.any(String) });
    expect(world.gateway.requests.some(({ headers }) => headers[':path']?.includes('/probe/'))).toBe(false);
  },
);

it.each([
  ['denied', undefined, 'policy', 'oooooofuu'],
  ['mfa-required', undefined, 'policy', 'oooooofuu'],
  ['device-quarantined', undefined, 'policy', 'oooooofuu'],
  ['inspection-unavailable', undefined, 'policy', 'oooooofuu'],
  ['denied', 'posture diskEncrypted firewallEnabled newerCheck', 'posture', 'ooooofuuu'],
  ['denied', 'application grants', 'policy', 'oooooofuu'],
  ['posture-awaited', undefined, 'posture', 'ooooofuuu'],
  ['token-expired', undefined, 'token', 'oooofuuuu'],
  ['connector-unavailable', 'application grants', 'connector', 'ooooooofu'],
  ['upstream-unreachable', 'application grants', 'upstream', 'oooooooof'],
  ['upstream-untrusted', 'application grants', 'upstream', 'oooooooof'],
] as const)('places %s (%s) at the step %s', async (code, detail, step, expected) => {
  await connect();
  refuse(code, detail);
  const report = await why('grants', 'fr');
  expect([report.failed, outcomes(report)]).toEqual([step, expected]);
  expect(stepThatFailed(report)).toMatchObject({ code, flowId: '01HZY', help: expect.any(String) });
  if (detail?.startsWith('posture') === true) {
    expect(stepThatFailed(report)?.text).toContain('Disque chiffré, Pare-feu actif');
    expect(stepThatFailed(report)?.help).toContain('Chiffrez le disque');
  } else expect(stepThatFailed(report)?.text).toBe(buildProblem(code, 'fr').title);
});

it('says that posture is not in order where the application does not ask for it, and goes on', async () => {
  await connect();
  probe(200, { app: 'grants', allowed: true, connected: false });
  const report = await why('grants');
  expect([report.ok, outcomes(report)]).toEqual([true, 'ooooooouu']);
  expect(report.steps[5]?.text).toContain(
    'nothing of it is in the way of grants; missing or unknown: Disk encrypted',
  );
});

it.each([
  [undefined, 'ooooooouu', 'tries no UDP', 'as far as can be told'],
  [{}, 'oooooooou', 'has carried no datagram', 'as far as can be told'],
  [{ sign: { last: 'silent', secondsAgo: 4 } }, 'oooooooou', 'ended 4 s ago', 'as far as can be told'],
  [
    { sign: { last: 'answered', secondsAgo: 4 } },
    'ooooooooo',
    'answered a datagram 4 s ago',
    'can be reached',
  ],
  [
    { sign: { last: 'unreachable', secondsAgo: 4 } },
    'oooooooof',
    'nobody listens there',
    'upstream-unreachable',
  ],
])('says of a UDP app what the gateway knows of it: %j', async (datagrams, expected, said, concluded) => {
  await connect();
  probe(200, { app: 'grants', allowed: true, connected: false, ...(datagrams && { datagrams }) });
  const report = await why('grants');
  expect([report.ok, outcomes(report)]).toEqual([!expected.endsWith('f'), expected]);
  const lines = whyLines(report, 'en').join('\n');
  expect(lines).toContain(said);
  expect(lines).toContain(concluded);
});

it('says that the last tunnel was not what the application speaks, and which flow that was', async () => {
  await connect();
  const cut = { flow: '01HZY', secondsAgo: 4 };
  probe(200, { app: 'grants', allowed: true, connected: true, cut });
  const report = await why('grants', 'fr');
  expect([report.failed, outcomes(report)]).toEqual(['upstream', 'oooooooof']);
  expect(stepThatFailed(report)).toMatchObject({
    code: 'protocol-unexpected',
    flowId: '01HZY',
    text: expect.stringContaining('il y a 4 s'),
    help: expect.stringContaining('programme'),
  });
});

it('takes no sign for one that it does not know', async () => {
  await connect();
  const sign = { last: 'perhaps', secondsAgo: 1 };
  probe(200, { app: 'grants', allowed: true, connected: false, datagrams: { sign } });
  expect((await why('grants')).ok).toBe(false);
});

it.each([
  ['device-revoked', 'certificate', 'ooofuuuuu'],
  ['token-signature', 'token', 'oooofuuuu'],
  ['not-ready', 'tunnel', 'oofuuuuuu'],
] as const)('stops at what the gateway refuses all flows for: %s', async (code, step, expected) => {
  await connect();
  world.gateway.refuseAll = code;
  const report = await why('grants');
  expect([report.failed, outcomes(report)]).toEqual([step, expected]);
  expect(stepThatFailed(report)?.code).toBe(code);
});

it('names no gateway that answers to a laptop which is not let in, and so has no session', async () => {
  await connect();
  for (const path of ['/v1/device/token', '/v1/device/config']) world.control.refuse(path, 'device-revoked');
  world.gateway.refuseAll = 'device-revoked';
  for (const session of world.gateway.sessions) session.destroy();
  await laptop.reach('revoked');
  const report = await why('grants');
  expect([report.failed, outcomes(report)]).toEqual(['certificate', 'ooufuuuuu']);
  expect(report.steps[2]?.text).toContain('not tried');
});

it('tells a laptop without a network from a gateway that is away', async () => {
  await connect();
  await world.gateway.crash();
  const away = await why('grants');
  expect([away.failed, outcomes(away)]).toEqual(['tunnel', 'oofuuuuuu']);
  expect(stepThatFailed(away)?.help).toContain('The control plane answers and the gateway does not');
  await world.control.close();
  expect(stepThatFailed(await why('grants'))?.help).toContain('is this laptop on a network?');
});

it('says that somebody else answers in the place of the gateway', async () => {
  const stranger = await (await makeOrganization()).issueGateway();
  const server = createServer({ key: stranger.keyPem, cert: stranger.chainPem, ALPNProtocols: ['h2'] });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { config } = world.control;
  const addresses = [`127.0.0.1:${(server.address() as AddressInfo).port}`];
  world.control.config = { ...config, gateway: { ...config.gateway, addresses } };
  laptop = await world.startLaptop();
  await laptop.reach('gateway-unreachable');
  const report = await why('grants');
  server.close();
  expect([report.failed, outcomes(report)]).toEqual(['tunnel', 'oofuuuuuu']);
  expect(stepThatFailed(report)?.help).toContain('Someone else answers in its place');
});

it('says so when it does not know yet which applications there are', async () => {
  await world.control.close();
  await world.gateway.crash();
  laptop = await world.startLaptop();
  await laptop.reach('control-unreachable');
  const report = await why('grants');
  expect([report.failed, outcomes(report)]).toEqual(['tunnel', 'uofuuuuuu']);
});

it('does not take for a yes what a gateway should not answer', async () => {
  await connect();
  probe(200, { app: 'grants', allowed: 'perhaps' });
  expect((await why('grants')).ok).toBe(false);
  refuse('denied');
  world.gateway.probes.set('grants', { status: 403, body: { code: 'future-code', title: 'New\u001b[2J' } });
  const report = await why('grants');
  expect(stepThatFailed(report)).toMatchObject({ step: 'policy', code: 'future-code', text: 'New [2J' });
});

it.each([
  ['/why/grants', { host: 'evil.example' }, 421],
  ['/why/grants', { origin: 'https://evil.example' }, 403],
  ['/why/grants', { 'sec-fetch-site': 'cross-site' }, 403],
  ['/why/', {}, 404],
  ['/why/%zz', {}, 404],
  ['/why/a/b', {}, 404],
  ['/why/grants?x=1', {}, 404],
])('walks nothing for %s with %j', async (path, headers, status) => {
  await connect();
  const before = world.gateway.requests.length;
  expect((await ask(laptop.port, path, { headers })).status).toBe(status);
  expect(world.gateway.requests.length).toBe(before);
});

it('has its words in both languages, with the same values in them', () => {
  const values = (text: string): string[] => (text.match(/\{[a-zA-Z]+\}/g) ?? []).sort();
  for (const sentence of [whyWords, criterionNames, postureHelp, stepNames].flatMap((table) =>
    Object.values(table),
  )) {
    expect(sentence.fr).not.toBe('');
    expect(values(sentence.fr)).toEqual(values(sentence.en));
  }
});
