import { Agent, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { rowOf, rowOfRounds } from '../support/row.ts';
import type { Row } from '../support/row.ts';
import { direct, plain, throughAgent } from './downloads.ts';
import type { Download } from './downloads.ts';
import { webHost } from './stage.ts';
import type { Stage } from './stage.ts';

export interface Sources {
  readonly plain: number;
  readonly tls: number;
  readonly http: number;
  readonly certificatePem: string;
}

/**
 * Megabytes a second, in rounds that take turns, so that what else happens on the machine happens to all. The ratio is of
 * the two downloads of a round, which stand next to each other.
 */
export async function measureDownloads(
  stage: Stage,
  sources: Sources,
  sshPort: number | undefined,
  rounds: number,
): Promise<Row[]> {
  const ways: Record<string, () => Download> = {
    tls: () => direct(sources.tls, sources.certificatePem),
    agent: () => throughAgent(stage.proxyPort),
    ...(sshPort === undefined ? {} : { ssh: () => plain(sshPort) }),
  };
  const rate = async (way: () => Download): Promise<number> => {
    const { bytes, seconds } = await way().delivered;
    return bytes / 1e6 / seconds;
  };
  // The agent learns by the first that the application is used for long transfers.
  for (const way of [...Object.values(ways), ways['agent']]) if (way !== undefined) await rate(way);
  const taken: Record<string, number>[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? Object.entries(ways) : Object.entries(ways).toReversed();
    const figures: Record<string, number> = {};
    for (const [key, way] of order) figures[key] = await rate(way);
    taken.push(figures);
  }
  const row = (what: string, key: string): Row =>
    rowOfRounds(
      what,
      `downloadMegabytesPerSecond.${key}`,
      taken.map((figures) => figures[key] ?? Number.NaN),
      'MB/s',
    );
  return [
    row('download through agent and gateway', 'agent'),
    row('the same, directly over TLS', 'tls'),
    ...(sshPort === undefined
      ? []
      : [
          row('the same, through ssh -L', 'ssh'),
          rowOfRounds(
            'ssh -L beside the agent',
            'downloadRatio.sshToAgent',
            taken.map(({ ssh = Number.NaN, agent = Number.NaN }) => ssh / agent),
            'x',
            1,
          ),
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
  const download = (async () => {
    while (!over.signal.aborted) {
      const { socket, delivered } = throughAgent(stage.proxyPort);
      const cut = (): void => void socket.destroy();
      over.signal.addEventListener('abort', cut, { once: true });
      // Cut at the end, and for no other reason.
      await delivered.catch((error: unknown) => {
        if (!over.signal.aborted) throw error;
      });
      over.signal.removeEventListener('abort', cut);
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
    rowOfRounds(`${what}, ${kills} times: half within`, `${key}.p50`, taken, 'ms'),
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
