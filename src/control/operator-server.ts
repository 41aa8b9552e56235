import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SinkHealth } from '../contract/sinks.ts';

/** What the operator's endpoints show. */
export interface OperatorView {
  /** What keeps this server from passing flows; empty when it is ready. */
  notReady(): readonly string[];
  /** What is wrong and must be seen to, although it may not keep flows from passing. */
  troubles(): readonly string[];
  /** How the sinks of flow records do; empty where there are none. */
  sinks(): readonly SinkHealth[];
  metrics(): string;
}

/**
 * /healthz, /readyz and /metrics, on a listener of their own: they need no credential, and so are never on one that
 * strangers reach (there is no skip list of paths on the others).
 */
export function createOperatorServer(view: OperatorView): Server {
  const answers: Readonly<Record<string, () => { status: number; type: string; body: string }>> = {
    '/healthz': () => ({ status: 200, type: 'text/plain; charset=utf-8', body: 'ok\n' }),
    '/readyz': () => {
      const problems = view.notReady();
      const troubles = view.troubles();
      const sinks = view.sinks();
      const ready = problems.length === 0;
      const body = {
        ready,
        waitingFor: problems,
        ...(troubles.length === 0 ? {} : { troubles }),
        ...(sinks.length === 0 ? {} : { sinks }),
      };
      return {
        status: ready ? 200 : 503,
        type: 'application/json',
        body: `${JSON.stringify(body)}\n`,
      };
    },
    '/metrics': () => ({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: view.metrics(),
    }),
  };
  const server = createServer(
    { headersTimeout: 5000, requestTimeout: 5000, maxHeaderSize: 8192 },
    (request, response) => {
      const path = request.url ?? '';
      const answer = Object.hasOwn(answers, path) ? answers[path] : undefined;
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      const { status, type, body } =
        answer === undefined || !isRead
          ? {
              status: answer === undefined ? 404 : 405,
              type: 'text/plain; charset=utf-8',
              body: 'GET /healthz, /readyz or /metrics\n',
            }
          : answer();
      response.writeHead(status, {
        'content-type': type,
        'content-length': Buffer.byteLength(body),
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    },
  );
  server.maxConnections = 100;
  return server;
}

/** Listens, and says where; closing cuts what is open, since scrapers ask again. */
export async function listenOperator(
  view: OperatorView,
  address: { readonly host: string; readonly port: number },
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createOperatorServer(view);
  server.listen(address.port, address.host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
