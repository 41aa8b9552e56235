import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadOptions, Round } from './load-generator.ts';
import { cpuSeconds, start } from './processes.ts';
import { appHost, cores } from './target.ts';
import type { Target } from './target.ts';

/** One round against one gateway. */
export interface Sample {
  readonly requests: number;
  readonly seconds: number;
  /** Of all processes that count for the gateway. */
  readonly cpuSeconds: number;
  /** Of its helpers among them. */
  readonly helperCpuSeconds: number;
  /** Share of a core. */
  readonly generatorBusy: number;
  readonly upstreamBusy: number;
  readonly failures: number;
  readonly firstFailure?: string;
}

export interface Load {
  run(seconds: number): Promise<Sample>;
  readonly stop: () => Promise<void>;
}

export function writeLoadOptions(directory: string, target: Target, connections: number): string {
  const file = join(directory, `load-${target.key}-${connections}.json`);
  const options: LoadOptions = {
    port: target.port,
    client: target.client,
    host: `${appHost}:${target.port}`,
    connections,
  };
  writeFileSync(file, JSON.stringify(options), { mode: 0o600 });
  return file;
}

/** A load generator for this gateway, its connections open. It rests between rounds. */
export async function startLoad(directory: string, target: Target, connections: number): Promise<Load> {
  const file = writeLoadOptions(directory, target, connections);
  const generator = await start(
    cores.load,
    [process.execPath, join(import.meta.dirname, 'load-generator.ts'), file],
    { ready: /ready/, ipc: true },
  );
  const upstream = target.upstreamPid === undefined ? [] : [target.upstreamPid];
  const helpers = target.helpers?.pids ?? [];
  return {
    stop: generator.stop,
    async run(seconds) {
      const before = [target.pids, helpers, upstream].map(cpuSeconds);
      const ended = once(generator.child, 'message');
      generator.child.send({ seconds });
      const [round] = (await ended) as [Round];
      const [own = 0, ofHelpers = 0, ofUpstream = 0] = [target.pids, helpers, upstream].map(
        (pids, index) => cpuSeconds(pids) - (before[index] ?? 0),
      );
      return {
        requests: round.requests,
        seconds: round.seconds,
        cpuSeconds: own,
        helperCpuSeconds: ofHelpers,
        generatorBusy: round.cpuSeconds / round.seconds,
        upstreamBusy: ofUpstream / round.seconds,
        failures: round.failures,
        ...(round.firstFailure === undefined ? {} : { firstFailure: round.firstFailure }),
      };
    },
  };
}
