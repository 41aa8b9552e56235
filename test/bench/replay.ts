import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createReplay } from '../../src/cli/policy/replay-engine.ts';
import type { KnownDevice } from '../../src/cli/policy/replay-engine.ts';
import type { Decision } from '../../src/domain/decision.ts';
import type { FlowFacts } from '../../src/domain/flow.ts';
import type { FlowId } from '../../src/domain/ids.ts';
import type { Resource } from '../../src/domain/resources.ts';
import { readAccesses } from '../../src/flow/read/read-accesses.ts';
import { createFlowRecorder } from '../../src/flow/recorder.ts';
import { connection } from '../flow/samples.ts';
import { app, factsOf, group, now, policy } from '../policy/facts.ts';

/**
 * What a replay costs: `npm run bench:replay -- [--quick] [--json FILE]`. 1,000,000 recorded flows (100,000 with
 * --quick) of 2,000 laptops to 150 apps, under 5,000 policies, against a proposal that changes two of them. The records
 * are made by the recorder of the gateway, in a process of its own, and are not part of what is measured.
 */
const { values: flags } = parseArgs({
  options: { json: { type: 'string' }, quick: { type: 'boolean' }, make: { type: 'string' } },
});
const flowCount = flags.quick === true ? 100_000 : 1_000_000;
const [appCount, policyCount, laptopCount, groupCount] = [150, 5000, 2000, 200];

const apps = Array.from({ length: appCount }, (_, n) => app(`app-${n}`, `network-${n % 123}`));
const userOf = (laptop: number): string => `user-${laptop}@example.org`;
const groups = Array.from({ length: groupCount }, (_, n) =>
  group(
    `group-${n}`,
    Array.from({ length: laptopCount / 20 }, (_member, k) => userOf((n + k * 20) % laptopCount)),
  ),
);
const policies = Array.from({ length: policyCount }, (_, n) =>
  policy(
    `policy-${n}`,
    `permit (principal in Group::"group-${n % groupCount}", action == Action::"access", resource == App::"app-${n % appCount}")
     when { context.posture.diskEncrypted && context.posture.ageSeconds < 600 };`,
  ),
);
const present: Resource[] = [...apps, ...groups, ...policies];
const changed = [
  policy('policy-0', policies[0]?.cedar.replace('600', '60') ?? ''),
  policy(
    'no-admin',
    'forbid (principal, action, resource == App::"app-7") when { context.request.path like "/items/1*" };',
  ),
];
const proposed = [...present.filter(({ name }) => name !== 'policy-0'), ...changed];

function makeRecords(directory: string): void {
  const recorder = createFlowRecorder({
    directory,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'bench',
    worker: 1,
    productVersion: '0.1.0',
  });
  const decision: Decision = { effect: 'allow', policies: ['policy-0'], policyVersion: '7-abcdef01' };
  const sessions = Array.from({ length: laptopCount }, (_, laptop) => {
    const id = `laptop-${laptop}`;
    const { subject } = factsOf({ user: userOf(laptop), device: id });
    const token = { ...subject.token, id: `token-${laptop}` };
    return {
      subject: { certificate: subject.certificate, token },
      connection: { ...connection, id: `connection-${laptop}` as FlowId },
    };
  });
  for (let n = 0; n < flowCount; n += 1) {
    const session = sessions[Math.floor(n / 5) % laptopCount];
    const asked = apps[(n * 7 + Math.floor(n / 600)) % appCount];
    if (session === undefined || asked === undefined) throw new TypeError('no such session or app');
    const facts: FlowFacts = {
      id: `flow-${n}` as FlowId,
      ...session,
      startedAt: (now + (n % 500)) * 1000,
      app: asked,
      decision,
      request: {
        method: 'GET',
        authority: asked.host,
        path: `/items/${n % 1000}`,
        scheme: 'https',
        httpVersion: '2.0',
        userAgent: 'Mozilla/5.0 (X11; Linux x86_64)',
      },
    };
    recorder.request(facts, {
      endedAt: facts.startedAt + 25,
      status: 200,
      bytesIn: 0,
      bytesOut: 1024,
      endedBy: 'upstream',
    });
  }
  recorder.close();
}

async function measure(directory: string): Promise<void> {
  const devices = new Map<string, KnownDevice>(
    Array.from({ length: laptopCount }, (_, laptop) => {
      const id = `laptop-${laptop}`;
      const enrolledAt = now - 86_400;
      return [
        id,
        {
          id,
          user: userOf(laptop),
          role: 'laptop',
          enrolledAt,
          states: [{ at: enrolledAt, state: 'active' }],
        },
      ];
    }),
  );
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const replay = createReplay(present, proposed, devices);
  for await (const some of readAccesses(directory, 0))
    for (const access of some) {
      if (access === 'malformed') replay.addMalformed();
      else replay.add(access);
    }
  const { judged, changes } = replay.report();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  if (judged !== flowCount || changes.length === 0) throw new Error('the benchmark measures the wrong thing');
  const figures = {
    flows: flowCount,
    wall_s: seconds,
    cpu_s: (user + system) / 1e6,
    cpu_us_per_flow: (user + system) / flowCount,
    resident_mib: process.memoryUsage.rss() / 1_048_576,
  };
  for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(16)} ${value.toFixed(1)}`);
  if (flags.json !== undefined)
    await writeFile(flags.json, `${JSON.stringify({ 'policy replay': figures }, null, 2)}\n`);
}

if (flags.make === undefined) {
  const directory = await mkdtemp(join(tmpdir(), 'postern-bench-replay-'));
  try {
    const quick = flags.quick === true ? ['--quick'] : [];
    const made = spawnSync(process.execPath, [import.meta.filename, '--make', directory, ...quick], {
      stdio: 'inherit',
    });
    if (made.status !== 0) throw new Error('the records could not be made');
    await measure(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
} else makeRecords(flags.make);
