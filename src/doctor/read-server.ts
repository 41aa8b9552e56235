import { installationOf } from '../control/metrics.ts';
import type { Settings } from '../contract/settings.ts';
import type { SinkHealth } from '../contract/sinks.ts';

/** What a running server says of itself at its operator endpoints. */
export interface RunningServer {
  readonly ready: boolean;
  /** What keeps it from passing flows. */
  readonly waitingFor: readonly string[];
  /** What must be seen to although it may not keep flows from passing. */
  readonly troubles: readonly string[];
  /** How its sinks of flow records do. */
  readonly sinks: readonly SinkHealth[];
  readonly version: string;
  /** How far its clock is ahead of ours, as the Date of its answer tells it, which counts whole seconds. */
  readonly aheadMs: number | undefined;
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
  try {
    return await readOperator(`http://${host.includes(':') ? `[${host}]` : host}:${port}`, rootPem);
  } catch {
    return undefined;
  }
}

/** @throws Error with a sentence where nothing answers there, or something else than a server of this installation. */
export async function readOperator(origin: string, rootPem: string): Promise<RunningServer> {
  const read = async (path: string): Promise<Response> => {
    try {
      return await fetch(`${origin}${path}`, { signal: AbortSignal.timeout(limitMs), redirect: 'error' });
    } catch (error) {
      const { cause, name } = error as Error & { cause?: NodeJS.ErrnoException };
      throw new Error(`does not answer (${cause?.code ?? name})`, { cause: error });
    }
  };
  const [readyz, metrics] = await Promise.all([read('/readyz'), read('/metrics')]);
  const answered = Date.parse(readyz.headers.get('date') ?? '');
  const { ready, waitingFor, troubles = [], sinks = [] } = parseReadiness(await readyz.text());
  const [, version, installation] =
    /^postern_build_info\{version="([^"]{1,40})",.*installation="([0-9a-f]+)"/m.exec(await metrics.text()) ??
    [];
  if (typeof ready !== 'boolean' || !Array.isArray(waitingFor) || installation === undefined)
    throw new Error('is something else than a server of Postern');
  if (installation !== installationOf(rootPem)) throw new Error('is of another installation');
  return {
    ready,
    waitingFor: waitingFor.map(String),
    troubles: Array.isArray(troubles) ? troubles.map(String) : [],
    sinks: Array.isArray(sinks) ? sinks.filter(isHealth) : [],
    version: version ?? '',
    aheadMs: Number.isNaN(answered) ? undefined : answered + 500 - Date.now(),
  };
}

function parseReadiness(text: string): {
  ready?: unknown;
  waitingFor?: unknown;
  troubles?: unknown;
  sinks?: unknown;
} {
  try {
    return JSON.parse(text) as object;
  } catch {
    return {};
  }
}

function isHealth(value: unknown): value is SinkHealth {
  const { name, lagRecords, lagSeconds, refused, problem } = value as Record<keyof SinkHealth, unknown>;
  return (
    typeof name === 'string' &&
    [lagRecords, lagSeconds, refused].every((count) => typeof count === 'number') &&
    (problem === undefined || typeof problem === 'string')
  );
}
