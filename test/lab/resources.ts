import type { App, Network } from '../../src/domain/resources.ts';
import type { AppName, NetworkName } from '../../src/domain/ids.ts';

/** An app of which only what a test is about is named. */
export const app = (more: Partial<App> = {}): App => ({
  kind: 'App',
  name: 'grants',
  network: 'finance',
  host: 'grants.apps.example.org',
  protocol: 'http',
  upstreams: ['http://10.0.0.2:8080'],
  ...more,
});

export const network = (more: Partial<Network> = {}): Network => ({
  kind: 'Network',
  name: 'finance',
  attach: { netns: 'pn-finance' },
  ...more,
});

export const stateOf = (networks: readonly Network[], apps: readonly App[]) => ({
  networks: new Map(networks.map((one) => [one.name as NetworkName, one])),
  apps: new Map(apps.map((one) => [one.name as AppName, one])),
});
