import type { Duplex } from 'node:stream';
import type { FlowFacts } from '../domain/flow.ts';
import type { AccessRequest } from '../domain/decision.ts';
import type { App } from '../domain/resources.ts';
import type { ClientConnection } from './connection.ts';
import type { GatewayCore } from './gateway-core.ts';
import type { Grant } from './grants.ts';
import { pipeBoth } from './pipe.ts';

/**
 * An open tunnel or upgraded connection: recorded when it opens and when it ends, and cut, both sides, when its grant ends.
 */
export function carryFlow(
  core: GatewayCore,
  flow: {
    readonly connection: ClientConnection;
    readonly app: App;
    readonly request: AccessRequest;
    readonly facts: FlowFacts;
    readonly client: Duplex;
    readonly upstream: Duplex;
  },
): void {
  const { connection, app, request, facts, client, upstream } = flow;
  let why: Parameters<Grant['cut']>[0] | undefined;
  const grant: Grant = {
    connection,
    app,
    request,
    cut: (refusal) => {
      why = refusal;
      upstream.destroy();
      client.destroy();
    },
  };
  core.recorder.tunnelOpened(facts);
  core.live.hold(grant);
  pipeBoth(client, upstream, ({ bytesIn, bytesOut, endedBy }) => {
    core.live.release(grant);
    core.recorder.tunnelClosed(facts, {
      endedAt: core.now(),
      bytesIn,
      bytesOut,
      endedBy: why === undefined ? endedBy : 'gateway',
      ...(why === undefined ? {} : { refusal: why.code }),
      ...(why?.detail === undefined ? {} : { detail: why.detail }),
    });
  });
}
