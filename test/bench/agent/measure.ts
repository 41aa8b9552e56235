import { Agent, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { rowOf } from '../support/row.ts';
import type { Row } from '../support/row.ts';
import { median } from '../support/table.ts';
import { direct, drain, plain, throughAgent } from './downloads.ts';
import { webHost } from './stage.ts';
import type { Stage } from './stage.ts';

export interface Sources {
  readonly plain: number;
  readonly tls: number;
  readonly http: number;
  readonly certificatePem: string;
}

/** Megabytes a second, in rounds that take turns, so that what else happens on the machine happens to all. */
export async function measureDownloads(
  stage: Stage,
  sources: Sources,
  sshPort: number | undefined,
  rounds: number,
): Promise<Row[]> {
  const ways: Record<string, () => Promise<number>> = {};
  const rate = async (opened: Parameters<typeof drain>[0]): Promise<number> => {
    const { bytes, seconds } = await drain(opened);
    return bytes / 1e6 / seconds;
  };
  ways['agent'] = async () => rate(await throughAgent(stage.proxyPort));
  ways['tls'] = () => rate(direct(sources.tls, sources.certificatePem));
  if (sshPort !== undefined) ways['ssh'] = () => rate(plain(sshPort));
  const taken = new Map<string, number[]>(Object.keys(ways).map((key) => [key, []]));
  for (const way of Object.values(ways)) await way();
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? Object.entries(ways) : Object.entries(ways).toReversed();
    for (const [key, way] of order) taken.get(key)?.push(await way());
  }
  const of = (key: string): number => median(taken.get(key) ?? []);
  return [
    rowOf('download through agent and gateway', 'downloadMegabytesPerSecond.agent', of('agent'), 'MB/s'),
    rowOf('the same, directly over TLS', 'downloadMegabytesPerSecond.tls', of('tls'), 'MB/s'),
    ...(sshPort === undefined
      ? []
      : [
          rowOf('the same, through ssh -L', 'downloadMegabytesPerSecond.ssh', of('ssh'), 'MB/s'),
          rowOf('ssh -L beside the agent', 'downloadRatio.sshToAgent', of('ssh') / of('agent'), 'x', 1),
        ]),
  ];
}

const keepAlive = new Agent({ keepAlive: true, maxSockets: 1 });

/** Milliseconds until the whole answer to a small request is there. @throws where it is not a 200. */
export function ask(port: number, path: string, agent: Agent | false = false): Promise<number> {
  const begin = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path, agent, headers: { host: webHost } },
      (response) => {
        response.resume();
        response.once('error', reject);
        response.once('end', () => {
          if (response.statusCode === 200) resolve(performance.now() - begin);
          else reject(new Error(`answered ${response.statusCode}`));
        });
      },
    );
    outgoing.once('error', reject);
    outgoing.end();
  });
}

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;

/** One request after the other, on one connection to the proxy: by itself, and while a download takes all it gets. */
export async function measureLatency(stage: Stage, sources: Sources, requests: number): Promise<Row[]> {
  const through = `http://${webHost}/`;
  const sample = async (port: number, path: string): Promise<number[]> => {
    const taken: number[] = [];
    for (let index = 0; index < requests + 50; index += 1) {
      const ms = await ask(port, path, keepAlive);
      if (index >= 50) taken.push(ms);
    }
    return taken;
  };
  const alone = await sample(sources.http, '/');
  const idle = await sample(stage.proxyPort, through);
  const over = new AbortController();
  let downloads = 0;
  const download = (async () => {
    while (!over.signal.aborted) {
      const socket = await throughAgent(stage.proxyPort);
      const done = drain(socket).then(
        () => (downloads += 1),
        () => undefined,
      );
      while (!over.signal.aborted && !socket.destroyed && !socket.readableEnded) await wait(20);
      socket.destroy();
      await done;
    }
  })();
  // As long as it takes to be known for what it is, and the next session to be there.
  await wait(1500);
  const busy = await sample(stage.proxyPort, through);
  over.abort();
  await download;
  const row = (what: string, key: string, value: number): Row =>
    rowOf(what, `requestMilliseconds.${key}`, value, 'ms');
  return [
    row('small request without a gateway: half within', 'direct.p50', percentile(alone, 0.5)),
    row('through agent and gateway: half within', 'idle.p50', percentile(idle, 0.5)),
    row('99 of 100 within', 'idle.p99', percentile(idle, 0.99)),
    row('under a download: half within', 'download.p50', percentile(busy, 0.5)),
    row('99 of 100 within', 'download.p99', percentile(busy, 0.99)),
  ];
}

/** The gateway that the agent is on dies; counted is the time until a request that is sent then is answered. */
export async function measureDeaths(stage: Stage, kills: number): Promise<Row[]> {
  const times: Record<'kill' | 'freeze', number[]> = { kill: [], freeze: [] };
  for (const death of ['kill', 'freeze'] as const)
    for (let round = 0; round < kills; round += 1) {
      const dying = await gatewayInUse(stage);
      await stage.warmUp();
      const dead = death === 'kill' ? dying.kill() : dying.freeze();
      const begin = performance.now();
      for (;;) {
        try {
          await ask(stage.proxyPort, `http://${webHost}/`);
          break;
        } catch {
          await wait(5);
        }
      }
      times[death].push(performance.now() - begin);
      await dead;
      await dying.kill();
      await dying.up();
    }
  const rows = (what: string, key: string, taken: readonly number[]): Row[] => [
    rowOf(`${what}, ${kills} times: half within`, `${key}.p50`, median(taken), 'ms'),
    rowOf('the longest', `${key}.max`, Math.max(...taken), 'ms', 1000),
  ];
  return [
    ...rows('killed gateway to the first answered request', 'killedGatewayMilliseconds', times.kill),
    ...rows('gateway that falls silent', 'silentGatewayMilliseconds', times.freeze),
  ];
}

/** Once the agent is connected and has its standby. */
async function gatewayInUse(stage: Stage): Promise<Stage['gateways'][number]> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const { gateway, standby } = await stage.status();
    const found = stage.gateways.find(({ address }) => address === gateway?.address);
    if (found !== undefined && standby !== undefined) return found;
    await wait(50);
  }
  throw new Error('the agent found no standby within half a minute');
}
