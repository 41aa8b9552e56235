import type { App, ProtocolCheckSettings } from './resources.ts';

export type ExpectedProtocol = NonNullable<ProtocolCheckSettings['expect']>;

/** What the first bytes of an application's tunnels have to be, and what happens when they are something else. */
export interface Expectation {
  readonly protocol: ExpectedProtocol;
  readonly isBlocking: boolean;
  /** For which TLS may be asked. */
  readonly serverNames: ReadonlySet<string>;
}

const expectations = new WeakMap<App, Expectation | { readonly none: true }>();

/**
 * An application that says what it speaks means it: its tunnels carry that and nothing else, unless it says to record only.
 * `tcp` and `udp` say nothing, and are checked where `expect` says something. What an http application gets the gateway has
 * read as HTTP itself.
 */
export function expectationOf(app: App): Expectation | undefined {
  let known = expectations.get(app);
  if (known === undefined) {
    const { mode = 'block', expect, serverNames = [] } = app.protocolCheck ?? {};
    const protocol = isChecked(app.protocol) ? app.protocol : expect;
    known =
      protocol === undefined || app.protocol === 'http'
        ? { none: true }
        : {
            protocol,
            isBlocking: mode === 'block',
            serverNames: new Set([app.host, ...serverNames]),
          };
    expectations.set(app, known);
  }
  return 'none' in known ? undefined : known;
}

/** Protocols of applications that are checked without being asked for. */
export const checkedProtocols = ['tls', 'ssh', 'rdp', 'postgres'] as const satisfies ExpectedProtocol[];

const isChecked = (protocol: App['protocol']): protocol is (typeof checkedProtocols)[number] =>
  (checkedProtocols as readonly string[]).includes(protocol);
