import { installationOf } from '../control/metrics.ts';
import type { Settings } from '../contract/settings.ts';

/** What a running server says of itself at its operator endpoints. */
export interface RunningServer {
  readonly ready: boolean;
  /** What keeps it from passing flows. */
  readonly waitingFor: readonly string[];
  readonly version: string;
}

const limitMs = 2000;

/** A wildcard is where it listens, not where anyone connects to. */
export const reachableHost = (listen: string): string =>
  listen === '0.0.0.0' ? '127.0.0.1' : listen === '::' ? '::1' : listen;

/** Undefined where nothing of this installation answers: another's may be at the same port. */
export async function readServer(
  { listen, port }: Settings['operator'],
  rootPem: string,
): Promise<RunningServer | undefined> {
  const host = reachableHost(listen);
  const origin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const read = async (path: string): Promise<string> =>
    (await fetch(`${origin}${path}`, { signal: AbortSignal.timeout(limitMs), redirect: 'error' })).text();
  try {
    const readiness = JSON.parse(await read('/readyz')) as { ready?: unknown; waitingFor?: unknown };
    if (typeof readiness.ready !== 'boolean' || !Array.isArray(readiness.waitingFor)) return undefined;
    const [, version, installation] =
      /^postern_build_info\{version="([^"]{1,40})",.*installation="([0-9a-f]+)"/m.exec(
        await read('/metrics'),
      ) ?? [];
    if (installation !== installationOf(rootPem)) return undefined;
    return { ready: readiness.ready, waitingFor: readiness.waitingFor.map(String), version: version ?? '' };
  } catch {
    return undefined;
  }
}
