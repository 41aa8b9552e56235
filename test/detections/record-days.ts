import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Subject } from '../../src/domain/subject.ts';
import type { DeviceId, FlowId, UserName } from '../../src/domain/ids.ts';
import type { FlowFacts, FlowOutcome } from '../../src/domain/flow.ts';
import { createFlowRecorder } from '../../src/flow/recorder.ts';
import { linesIn } from '../lab/flow-records.ts';
import { allow, app, connection, deny, monday, request, subject, upstream } from '../flow/samples.ts';

/**
 * Records two days of four laptops as a gateway does, and puts them in fixtures/recorded-days.jsonl.gz: on Monday everybody works as
 * usual; on Tuesday each thing happens that detections look for, beside what only looks like it.
 * Run it again when records change: `node test/detections/record-days.ts`
 */
const [hour, minute] = [3_600_000, 60_000];
const tuesday = monday + 24 * hour;
let now = monday;
let flows = 0;

interface Scene {
  readonly user: string;
  readonly device: string;
  readonly address: string;
}
const alice: Scene = { user: 'alice@example.org', device: 'd-alice', address: '192.0.2.17' };
const bob: Scene = { user: 'bob@example.org', device: 'd-bob', address: '192.0.2.18' };
const carol: Scene = { user: 'carol@example.org', device: 'd-carol', address: '192.0.2.19' };
const dave: Scene = { user: 'dave@example.org', device: 'd-dave', address: '192.0.2.20' };

const directory = mkdtempSync(join(tmpdir(), 'postern-days-'));
const recorder = createFlowRecorder({
  directory,
  gateway: 'gateway.example.org',
  domain: 'example.org',
  bootId: 'recorded',
  worker: 1,
  productVersion: '0.1.0',
  now: () => now,
});

function factsOf(
  { user, device, address }: Scene,
  {
    appName = 'grants',
    diskEncrypted = true,
    ja4 = 't13d1516h2_8daaf6152771_02713d6af862',
  }: { appName?: string; diskEncrypted?: boolean; ja4?: string } = {},
): FlowFacts & { readonly subject: Subject } {
  flows += 1;
  const { certificate, token } = subject;
  const posture = token.posture && {
    ...token.posture,
    measuredAt: Math.floor(now / 1000),
    checks: { ...token.posture.checks, diskEncrypted },
  };
  return {
    id: `flow-${String(flows).padStart(4, '0')}` as FlowId,
    connection: { ...connection, source: { ...connection.source, address }, ja4: fingerprint(ja4) },
    startedAt: now,
    subject: {
      certificate: { ...certificate, device: device as DeviceId },
      token: { ...token, id: `token-${device}`, user: user as UserName, device: device as DeviceId, posture },
    },
    app: { ...app, name: appName },
    decision: allow,
    upstream,
    request,
  };
}
function fingerprint(value: string): NonNullable<FlowFacts['connection']['ja4']> {
  const [a = '', b = '', c = ''] = value.split('_');
  return { value, a, b, c };
}
const outcome = (bytesOut: number, refusal?: string): FlowOutcome => ({
  endedAt: now,
  status: refusal === undefined ? 200 : 403,
  bytesIn: 500,
  bytesOut,
  endedBy: refusal === undefined ? 'upstream' : 'gateway',
  ...(refusal === undefined ? {} : { refusal }),
});

function use(
  scene: Scene,
  options: { appName?: string; megabytes?: number; ja4?: string; diskEncrypted?: boolean } = {},
): void {
  const { megabytes = 2, ...more } = options;
  const facts = factsOf(scene, more);
  recorder.request(facts, outcome(megabytes * 1024 ** 2));
}
const refuse = (scene: Scene): void =>
  recorder.request({ ...factsOf(scene), decision: deny }, outcome(300, 'denied'));
const signIn = (scene: Scene): void => {
  const { app: _, decision: __, upstream: ___, ...facts } = factsOf(scene);
  recorder.authentication(facts, outcome(0));
};
const pass = (milliseconds: number): void => void (now += milliseconds);

// Monday, and the hours of the night: something each hour, so that there is a habit.
for (const scene of [alice, bob, carol, dave]) signIn(scene);
for (let count = 0; count < 25; count += 1) {
  for (const scene of [alice, bob, carol, dave]) use(scene);
  // A few refusals each hour are nothing.
  for (let each = 0; each < 3; each += 1) refuse(dave);
  pass(hour);
}
if (now < tuesday) throw new Error('Monday is too short');

// Dave's program tries again and again.
for (let each = 0; each < 34; each += 1) {
  refuse(dave);
  pass(4000);
}
pass(hour);
// Alice opens an application that she never used; and one that she did.
use(alice, { appName: 'payroll' });
use(alice);
pass(hour);
// Bob signs in here, and a quarter of an hour later on another continent. Carol is at another office of the same town.
signIn(bob);
signIn(carol);
pass(15 * minute);
signIn({ ...bob, address: '198.51.100.9' });
signIn({ ...carol, address: '203.0.113.5' });
pass(hour);
// Carol's laptop copies all there is.
for (let each = 0; each < 5; each += 1) {
  use(carol, { megabytes: 400 });
  pass(minute);
}
// Alice watches a long film: much, and not that much.
use(alice, { megabytes: 700 });
pass(hour);
// Bob's key in another program.
use(bob, { ja4: 't13d190900_9dc949149365_97f8aa674fd9' });
pass(hour);
// Dave's disk goes back and forth; Alice's was locked once.
for (let each = 0; each < 7; each += 1) {
  use(dave, { diskEncrypted: each % 2 === 0 });
  pass(5 * minute);
}
use(alice, { diskEncrypted: false });
pass(hour);
// Three laptops carry something else in tunnels to one application, and one to another.
for (const [scene, name] of [
  [alice, 'shell'],
  [bob, 'shell'],
  [alice, 'desk'],
  [carol, 'shell'],
] as const) {
  flows += 1;
  recorder.finding({
    id: `finding-${flows}`,
    rule: 'tunnel-other-protocol',
    title: 'Tunnels that are not what their application speaks',
    description: 'As the gateway recorded it.',
    severity: 'medium',
    state: 'new',
    at: now,
    firstSeenAt: now,
    lastSeenAt: now,
    user: scene.user,
    device: scene.device,
    app: name,
    flows: [`flow-${String(flows).padStart(4, '0')}`],
    counts: { tunnels: 1 },
  });
  pass(20 * minute);
}
recorder.close();

const lines = linesIn(directory);
rmSync(directory, { recursive: true });
const file = new URL('fixtures/recorded-days.jsonl.gz', import.meta.url);
writeFileSync(file, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
console.log(`${lines.length} records`);
