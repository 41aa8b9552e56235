import { execFile, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import type { Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { encode } from 'dns-packet';
import { parseDocument } from 'yaml';
import { readFile, writeFile } from 'node:fs/promises';
import { startAgent } from '../../agent/agent.ts';
import type { RunningAgent } from '../../agent/agent.ts';
import { systemClock } from '../../agent/clock.ts';
import { enrollDevice } from '../../agent/enrollment/enroll.ts';
import type { WhyReport } from '../../agent/why/report.ts';
import { ask as askAgent } from '../agent/lab/proxy-client.ts';
import { postureOf, silent } from '../agent/lab/world.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { recordsIn } from '../lab/flow-records.ts';
import { createNamespace, namespacesMissing } from '../lab/namespaces.ts';
import type { LabNamespace } from '../lab/namespaces.ts';
import { startServing } from '../lab/serving.ts';
import type { Serving } from '../lab/serving.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const [nameServer, dig] = ['/usr/sbin/dnsmasq', '/usr/bin/dig'];
const missing =
  namespacesMissing ??
  (existsSync(nameServer) && existsSync(dig)
    ? undefined
    : 'dnsmasq or dig is missing: apt-get install dnsmasq-base dnsutils');
const pySocks = fileURLToPath(new URL('socks5-datagrams.py', import.meta.url));
const pySocksMissing =
  spawnSync('/usr/bin/python3', ['-c', 'import socks']).status === 0
    ? undefined
    : '[skipped: PySocks is missing: apt-get install python3-socks]';

/** RFC 1928, section 7, for a host by name. */
const socksHeader = (host: string, port: number): Buffer =>
  Buffer.concat([
    Buffer.from([0, 0, 0, 3, host.length]),
    Buffer.from(host),
    Buffer.from([port >> 8, port & 255]),
  ]);

async function associate(proxyPort: number): Promise<{ control: Socket; relay: number }> {
  const control = connect({ host: '127.0.0.1', port: proxyPort });
  control.write(Buffer.from([5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]));
  let received = Buffer.alloc(0);
  while (received.length < 12)
    received = Buffer.concat([received, ((await once(control, 'data')) as [Buffer])[0]]);
  return { control, relay: received.readUInt16BE(10) };
}

const title = 'DNS servers of two private networks with the same address';

/** A real name server at 10.0.0.53 of that network, which knows one name. */
async function serveNames({ name }: LabNamespace, known: string): Promise<ChildProcess> {
  const options = [
    '--no-daemon',
    '--conf-file=/dev/null',
    '--user=root',
    '--no-resolv',
    '--no-hosts',
    '--pid-file=',
  ];
  const place = ['--listen-address=10.0.0.53', '--bind-interfaces', `--host-record=who.internal,${known}`];
  const child = spawn('ip', ['netns', 'exec', name, nameServer, ...options, ...place], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const line of createInterface({ input: child.stderr })) if (line.includes('started')) break;
  return child;
}

describe.runIf(missing === undefined)(
  missing === undefined ? title : `${title} [skipped: ${missing}]`,
  () => {
    const namespaces: LabNamespace[] = [];
    const servers: ChildProcess[] = [];
    let made: Installation;
    let server: Serving;
    let agent: RunningAgent;
    let address: ReadonlyMap<string, string>;
    const port = 5353;

    beforeAll(async () => {
      made = await makeInstallation();
      const settings = parseDocument(await readFile(made.configFile, 'utf8'));
      settings.setIn(['gateway', 'addresses'], ['127.0.0.1:0']);
      await writeFile(made.configFile, String(settings));
      server = await startServing(made.configFile, 'all');
      const control = server.portOf('control');
      const resources: object[] = [
        {
          kind: 'Policy',
          name: 'finance',
          cedar: 'permit (principal, action, resource == App::"names-finance");',
        },
        {
          kind: 'Policy',
          name: 'school',
          cedar: 'permit (principal, action, resource == App::"names-school");',
        },
      ];
      for (const [network, known] of [
        ['finance', '192.0.2.1'],
        ['school', '192.0.2.2'],
        ['payroll', '192.0.2.3'],
      ] as const) {
        const namespace = createNamespace(['10.0.0.53']);
        namespaces.push(namespace);
        servers.push(await serveNames(namespace, known));
        resources.push(
          { kind: 'Network', name: network, attach: { netns: namespace.name } },
          {
            kind: 'App',
            name: `names-${network}`,
            network,
            host: `names-${network}.apps.example.org`,
            protocol: 'udp',
            ports: [port],
            upstreams: ['udp://10.0.0.53:53'],
          },
        );
      }
      expect(await made.api(control, 'POST', '/v1/apply', { resources })).toMatchObject({ status: 200 });
      const { body } = await made.api(control, 'POST', '/v1/enrollment-tokens', {
        user: 'alice@example.org',
      });
      const directory = join(made.directory, 'laptop');
      await enrollDevice({
        url: `https://127.0.0.1:${control}`,
        token: String(body.token),
        directory,
        force: false,
        chosen: { proxyPort: 0 },
        clock: systemClock,
      });
      const agentFile = join(directory, 'agent.yaml');
      const agentSettings = parseDocument(await readFile(agentFile, 'utf8'));
      agentSettings.setIn(['intercept'], 'loopback');
      agentSettings.setIn(['resolver'], '127.64.0.78:0');
      await writeFile(agentFile, String(agentSettings));
      agent = await startAgent({
        directory,
        posture: postureOf(),
        clock: systemClock,
        random: () => 0.5,
        log: silent,
        language: 'en',
      });
      const listens = async (): Promise<boolean> => {
        const hosts = (await agent.status()).intercept?.hosts ?? [];
        return hosts.filter(({ ports }) => ports.length > 0).length === 3;
      };
      // Each asking looks at the configuration anew.
      while (!(await listens()));
      const { intercept } = await agent.status();
      address = new Map(intercept?.hosts.map((one) => [one.host, one.address]));
    });
    afterAll(async () => {
      await agent.stop();
      await server.kill();
      for (const child of servers) {
        const exited = once(child, 'exit');
        child.kill();
        await exited;
      }
      for (const namespace of namespaces) await namespace.remove();
      await made.remove();
    });

    const ask = async (network: string, tries: number): Promise<string> => {
      const at = address.get(`names-${network}.apps.example.org`) ?? '';
      const args = [
        '+short',
        `+tries=${tries}`,
        '+time=3',
        '-p',
        String(port),
        `@${at}`,
        'who.internal',
        'A',
      ];
      const { stdout } = await promisify(execFile)(dig, args).catch((error: { stdout: string }) => error);
      return stdout.trim();
    };

    const byPySocks = async (network: string, seconds: number): Promise<string> => {
      const host = `names-${network}.apps.example.org`;
      const args = [pySocks, String(agent.port), host, String(port), String(seconds)];
      const { stdout } = await promisify(execFile)('/usr/bin/python3', args).catch(
        (error: { stdout: string }) => error,
      );
      return stdout.trim();
    };

    const why = async (app: string): Promise<{ failed?: string; text?: string }> => {
      const { body } = await askAgent(agent.port, `/why/${app}`);
      const { failed, steps } = JSON.parse(body) as WhyReport;
      const { text = '' } = steps.find(({ step }) => step === (failed ?? 'upstream')) ?? {};
      return { text, ...(failed === undefined ? {} : { failed }) };
    };

    it('each answer dig on the laptop, by UDP through the gateway, and only whom a policy lets in', async () => {
      expect(await Promise.all([ask('finance', 3), ask('school', 3)])).toEqual(['192.0.2.1', '192.0.2.2']);
      expect(await ask('payroll', 1)).not.toContain('192.0.2');
      const seen = recordsIn(join(made.data, 'flows')).map((record) => {
        const { protocol_num: protocol } = (record['connection_info'] ?? {}) as { protocol_num?: number };
        return [record['app_name'], record['activity_name'], protocol];
      });
      expect(seen).toEqual(
        expect.arrayContaining([
          ['names-finance', 'Open', 17],
          ['names-school', 'Open', 17],
          ['names-payroll', 'Refuse', 17],
        ]),
      );
    });

    it.skipIf(pySocksMissing !== undefined)(
      `are asked through the SOCKS5 port by a program that uses PySocks ${pySocksMissing ?? ''}`,
      async () => {
        const from = recordsIn(join(made.data, 'flows')).length;
        expect(await Promise.all([byPySocks('finance', 20), byPySocks('school', 20)])).toEqual([
          '192.0.2.1',
          '192.0.2.2',
        ]);
        expect(await byPySocks('payroll', 2)).toBe('');
        const seen = recordsIn(join(made.data, 'flows'))
          .slice(from)
          .map((record) => `${String(record['app_name'])} ${String(record['activity_name'])}`);
        for (const expected of ['names-finance Open', 'names-school Open', 'names-payroll Refuse'])
          expect(seen).toContain(expected);
      },
    );

    it('answer on an association only the port that it is for, and nobody who sends fragments', async () => {
      const { control, relay } = await associate(agent.port);
      const query = Buffer.concat([
        socksHeader('names-finance.apps.example.org', port),
        encode({ type: 'query', id: 9, questions: [{ type: 'A', name: 'who.internal' }] }),
      ]);
      const [own, foreign] = [createSocket('udp4'), createSocket('udp4')];
      const send = (socket: DatagramSocket, bytes: Buffer): Promise<unknown> =>
        new Promise((sent) => socket.send(bytes, relay, '127.0.0.1', sent));
      const fragment = Buffer.from(query);
      fragment[2] = 1;
      await send(own, fragment);
      const answered = once(own, 'message') as Promise<[Buffer]>;
      await send(own, query);
      const [answer] = await answered;
      expect(answer.subarray(0, query.length - 30)).toEqual(query.subarray(0, query.length - 30));
      expect([...answer.subarray(-4)]).toEqual([192, 0, 2, 1]);
      let heard = 0;
      foreign.on('message', () => (heard += 1));
      await send(foreign, query);
      const again = once(own, 'message');
      await send(own, query);
      await again;
      expect(heard).toBe(0);
      control.destroy();
      own.close();
      foreign.close();
    });

    it('are found by `why` with what can be known of them, and without a datagram that nobody sent', async () => {
      expect(await why('names-payroll')).toMatchObject({ failed: 'policy' });
      expect(await why('names-school')).toEqual({ text: expect.stringContaining('answered a datagram') });
      const [finance] = servers.splice(0, 1);
      const exited = once(finance as ChildProcess, 'exit');
      finance?.kill();
      await exited;
      expect(await ask('finance', 1)).not.toContain('192.0.2');
      expect(await why('names-finance')).toEqual({
        failed: 'upstream',
        text: expect.stringContaining('nobody listens there'),
      });
    });
  },
);
