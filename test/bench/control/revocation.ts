import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { createKeyAndRequest } from '../../../certs/request.ts';
import type { EnrollResponse, TokenResponse } from '../../../src/contract/control-api.ts';
import type { Installation } from '../../control/installation.ts';
import { http2Tunnel } from '../../lab/http2-client.ts';
import { run } from '../support/processes.ts';
import { posture } from '../support/target.ts';
import { rowOf } from '../support/row.ts';
import type { Row } from '../support/row.ts';
import type { Scale } from './scale.ts';
import { administrator, expectOk, posternCommand, serve } from './server.ts';
import type { Administrator, RunningServer } from './server.ts';

const tunnelsAConnection = 100;
const resources = (port: number): object[] => [
  { kind: 'Network', name: 'bench', attach: { direct: true } },
  {
    kind: 'App',
    name: 'bench',
    network: 'bench',
    host: 'bench.apps.example.org',
    protocol: 'tcp',
    ports: [7000],
    upstreams: [`tcp://127.0.0.1:${port}`],
  },
  { kind: 'Policy', name: 'bench', cedar: 'permit (principal, action, resource == App::"bench");' },
];

interface Laptop {
  readonly device: string;
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly token: string;
}

/** Another gateway of the same organization: the same keys and ledger, and state and records of its own. */
async function copyInstallation(installation: Installation, name: string): Promise<{ configFile: string }> {
  const data = join(installation.directory, name);
  await cp(installation.data, data, { recursive: true });
  return { configFile: join(data, 'postern.yaml') };
}

async function enroll(api: Administrator, server: RunningServer, ca: string): Promise<Laptop> {
  const { token } = (await expectOk(
    api.call('POST', '/v1/enrollment-tokens', { user: 'alice@example.org' }),
  )) as { token: string };
  const { privateKeyPem, csrPem } = await createKeyAndRequest();
  const enrolled = (await expectOk(api.call('POST', '/v1/enroll', { token, csr: csrPem }))) as EnrollResponse;
  const tls = { cert: enrolled.certificate, key: privateKeyPem, ca };
  const own = administrator({ port: server.controlPort, rootPem: ca, certificate: tls });
  const report = { posture: { ...posture, ageSeconds: 0 } };
  const session = (await expectOk(own.call('POST', '/v1/device/token', report))) as TokenResponse;
  own.close();
  return { device: enrolled.device, tls, token: session.token };
}

interface Tunnels {
  readonly sessions: readonly ClientHttp2Session[];
  /** When each was cut, by `performance.now()`. */
  readonly cut: Promise<readonly number[]>;
}

async function openTunnels(
  laptop: Laptop,
  gateway: { readonly name: string; readonly port: number },
  count: number,
): Promise<Tunnels> {
  const sessions: ClientHttp2Session[] = [];
  const ends: Promise<number>[] = [];
  for (let opened = 0; opened < count; opened += tunnelsAConnection) {
    const session = connectHttp2(`https://127.0.0.1:${gateway.port}`, {
      ...laptop.tls,
      servername: gateway.name,
    });
    session.on('error', () => undefined);
    sessions.push(session);
    await once(session, 'connect');
    const streams = await Promise.all(
      Array.from({ length: Math.min(tunnelsAConnection, count - opened) }, () =>
        http2Tunnel(session, 'bench.apps.example.org:7000', laptop.token),
      ),
    );
    for (const stream of streams) {
      stream.resume();
      ends.push(new Promise((resolve) => stream.once('close', () => resolve(performance.now()))));
    }
  }
  return { sessions, cut: Promise.all(ends) };
}

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;

/**
 * Two gateways on one Redis. A laptop has many open tunnels through each; then it is revoked at the first. Counted is,
 * for each tunnel, the time from the administrator's request until its client sees the end.
 */
export async function measureRevocation(
  installation: Installation,
  redisUrl: string,
  scale: Scale,
): Promise<Row[]> {
  const settings = parseDocument(await readFile(installation.configFile, 'utf8'));
  const name = String(settings.getIn(['gateway', 'name']));
  settings.setIn(['limits', 'maxConnectionsPerAddress'], 20_000);
  await writeFile(installation.configFile, String(settings));
  const copy = [
    'ledger',
    'copy',
    '--config',
    installation.configFile,
    '--redis',
    redisUrl,
    '--prefix',
    'bench',
  ];
  await run([...posternCommand, ...copy]);
  settings.setIn(['ledger'], { redis: { url: redisUrl, prefix: 'bench' } });
  await writeFile(installation.configFile, String(settings));
  const second = await copyInstallation(installation, 'second');

  const sockets = new Set<Socket>();
  const upstream = createServer((socket) => {
    sockets.add(socket);
    socket.resume().on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const servers: RunningServer[] = [];
  const times: number[] = [];
  let api: Administrator | undefined;
  try {
    servers.push(await serve(installation), await serve(second));
    const [first] = servers;
    if (first === undefined) throw new TypeError('no server');
    api = administrator({
      port: first.controlPort,
      rootPem: installation.rootPem,
      apiKey: installation.apiKey,
    });
    const { port } = upstream.address() as AddressInfo;
    await expectOk(api.call('POST', '/v1/apply', { resources: resources(port) }));
    for (let round = 0; round < scale.revocations; round += 1) {
      const laptop = await enroll(api, first, installation.rootPem);
      const tunnels: Tunnels[] = [];
      for (const server of servers)
        tunnels.push(await openTunnels(laptop, { name, port: server.gatewayPort }, scale.tunnels));
      const begin = performance.now();
      await expectOk(
        api.call('POST', `/v1/devices/${laptop.device}/state`, { state: 'revoked', reason: 'measured' }),
      );
      for (const { cut, sessions } of tunnels) {
        times.push(...(await cut).map((at) => at - begin));
        for (const session of sessions) session.destroy();
      }
    }
  } finally {
    api?.close();
    for (const server of servers) await server.stop();
    upstream.close();
    for (const socket of sockets) socket.destroy();
  }
  const what = `revocation through Redis, 2 gateways with ${scale.tunnels} open tunnels each`;
  return [
    rowOf(`${what}: 99 of 100 cut`, 'revocationMilliseconds.p99', percentile(times, 0.99), 'ms', 250),
    rowOf('half of them', 'revocationMilliseconds.p50', percentile(times, 0.5), 'ms'),
    rowOf('all of them', 'revocationMilliseconds.max', Math.max(...times), 'ms'),
  ];
}
