import type { AppProbe } from '../../contract/app-probe.ts';
import type { ClientConnection } from '../listener/client-connection.ts';
import type { Flow } from '../flow.ts';

/**
 * Which tunnels were lately cut because they were not what their application speaks. Nothing can be said to a program in a
 * tunnel that is open; whoever then asks why is told.
 */
export interface CutTunnels {
  note(flow: Flow): void;
  /** A tunnel to the same application was what it should be. */
  forget(flow: Flow): void;
  /** The last one on this connection, while that says anything about now. */
  last(connection: ClientConnection, app: string): AppProbe['cut'];
}

/** What was before that somebody has looked into by now. */
const goodForMs = 5 * 60_000;

/** @param now epoch milliseconds. */
export function createCutTunnels(now: () => number): CutTunnels {
  // One for each application at the most, and gone with the connection.
  const cuts = new WeakMap<ClientConnection, Map<string, { readonly flow: string; readonly at: number }>>();
  return {
    note({ id, app, exchange: { connection } }) {
      if (app === undefined) return;
      const known = cuts.get(connection);
      const cut = { flow: id, at: now() };
      if (known === undefined) cuts.set(connection, new Map([[app.name, cut]]));
      else known.set(app.name, cut);
    },
    forget({ app, exchange }) {
      if (app !== undefined) cuts.get(exchange.connection)?.delete(app.name);
    },
    last(connection, app) {
      const cut = cuts.get(connection)?.get(app);
      const agoMs = now() - (cut?.at ?? 0);
      if (cut === undefined || agoMs > goodForMs) return undefined;
      return { flow: cut.flow, secondsAgo: Math.max(0, Math.floor(agoMs / 1000)) };
    },
  };
}
