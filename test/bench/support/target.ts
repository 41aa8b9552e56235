/** A gateway that is measured, and what a client needs to get through it. */
export interface Target {
  readonly name: string;
  /** Key in the JSON. */
  readonly key: string;
  readonly port: number;
  readonly client: ClientIdentity;
  /** Processes whose CPU time counts. */
  readonly pids: readonly number[];
  /** Of those, ones that a reader may want to see taken off, such as the verifier beside nginx. */
  readonly helpers?: { readonly name: string; readonly key: string; readonly pids: readonly number[] };
  /** The application behind it. */
  upstreamPid?: number;
  readonly stop: () => Promise<void>;
}

export interface ClientIdentity {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly authorityPem: string;
  readonly serverName: string;
  readonly token: string;
}

export const appHost = 'bench.apps.example.org';
export const user = 'alice@example.org';

/** On two cores, what is measured has one of its own. */
export const cores = { measured: 0, load: 1 } as const;

/** The report of a healthy laptop: makes the token as long as real ones are. */
export const posture = {
  os: 'linux',
  osVersion: '6.12.9',
  agentVersion: '0.1.0',
  checks: {
    diskEncrypted: true,
    firewallEnabled: true,
    screenLockEnabled: true,
    osUpToDate: true,
    secureBoot: true,
    protectionRunning: true,
  },
} as const;
