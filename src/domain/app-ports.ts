import type { App } from './resources.ts';

/** What browsers use when nobody says a port. */
const httpPorts: readonly number[] = [443, 80];

/** The ports that clients connect to an app at; those of an http app need not be written. */
export const portsOf = (app: App): readonly number[] =>
  app.ports ?? (app.protocol === 'http' ? httpPorts : []);
