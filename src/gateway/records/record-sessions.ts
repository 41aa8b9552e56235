import type { Refusal } from '../../contract/refusals.ts';
import type { FlowFacts, FlowOutcome, FlowRecorder } from '../../domain/flow.ts';
import type { ClientConnection } from '../listener/client-connection.ts';

/** The sessions of agents: connections to the gateway itself that carry a token and the flows of a laptop. */
export interface SessionLog {
  /** A token was accepted on the connection. */
  accepted(connection: ClientConnection): void;
  ended(connection: ClientConnection, endedBy: FlowOutcome['endedBy'], refusal?: Refusal): void;
}

export function createSessionLog(
  recorder: Pick<FlowRecorder, 'session'>,
  /** Epoch milliseconds. */
  now: () => number,
): SessionLog {
  const open = new WeakSet<ClientConnection>();
  const factsOf = ({ facts, session }: ClientConnection): FlowFacts => ({
    id: facts.id,
    connection: facts,
    startedAt: facts.startedAt,
    ...(session === undefined ? {} : { subject: session.subject }),
  });

  return {
    accepted(connection) {
      // Other programs with a certificate connect to applications, or for one request: those have records of their own.
      if (connection.appHost !== undefined || connection.socket.alpnProtocol !== 'h2') return;
      const kind = open.has(connection) ? 'renew' : 'open';
      open.add(connection);
      recorder.session(factsOf(connection), { kind, at: now() });
    },
    ended(connection, endedBy, refusal) {
      if (!open.delete(connection)) return;
      const { bytesRead, bytesWritten } = connection.socket;
      recorder.session(factsOf(connection), {
        kind: 'close',
        outcome: {
          endedAt: now(),
          bytesIn: bytesRead,
          bytesOut: bytesWritten,
          endedBy,
          ...(refusal === undefined ? {} : { refusal: refusal.code }),
        },
      });
    },
  };
}
