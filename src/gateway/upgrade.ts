import { request as httpRequest } from 'node:http';
import type { ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, rootCertificates } from 'node:tls';
import { answerRefusal } from './answer.ts';
import { carryFlow } from './carry-flow.ts';
import { dialApp } from './dial-app.ts';
import { factsOf } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayCore } from './gateway-core.ts';
import { readAnswerHeaders } from './headers.ts';
import { runPipeline } from './pipeline.ts';
import { recordExchange } from './record.ts';
import { upstreamRefusal } from './upstream-failure.ts';
import { v7 } from './flow-id.ts';

/**
 * An upgrade (WebSocket and its like, RFC 9110, section 7.8): the same pipeline, then the upstream's 101 as it is and raw
 * bytes both ways, without re-framing. Another answer than 101 is passed on as an answer.
 */
export function serveUpgrade(core: GatewayCore, exchange: Exchange, client: Duplex, head: Buffer): void {
  core.counters.requests += 1;
  client.on('error', () => client.destroy());
  const refuseWith = (refusal: Parameters<typeof answerRefusal>[2]): void =>
    answerRefusal(core, exchange, refusal);
  runPipeline(
    core,
    exchange,
    ({ subject, app, grant: { request } }) => {
      const protocol = exchange.request.headers['upgrade'];
      const headers = core.forwardedHeaders.add(
        exchange,
        subject,
        app,
        Math.floor(exchange.startedAt / 1000),
      );
      headers.push('connection', 'upgrade', 'upgrade', typeof protocol === 'string' ? protocol : '');
      dialApp(core, app, exchange.startedAt).then(
        ({ socket, dialled, upstream }) => {
          exchange.upstream = dialled;
          const ca =
            core.upstreamAuthorities.length === 0
              ? {}
              : { ca: [...rootCertificates, ...core.upstreamAuthorities] };
          const transport = upstream.tls
            ? connectTls({ socket, servername: isIP(upstream.host) === 0 ? upstream.host : app.host, ...ca })
            : socket;
          const outgoing = httpRequest({
            createConnection: () => transport,
            method: exchange.method,
            path: exchange.target,
            headers,
            setHost: false,
            timeout: core.settings.limits.upstreamHeadersTimeoutMs,
          });
          let settled = false;
          client.once('close', () => {
            if (settled) return;
            settled = true;
            outgoing.destroy();
            recordExchange(core.recorder, exchange, { endedBy: 'client', endedAt: core.now() });
          });
          outgoing.on('timeout', () =>
            outgoing.destroy(Object.assign(new Error('no answer'), { code: 'UND_ERR_HEADERS_TIMEOUT' })),
          );
          outgoing.on('error', (error) => {
            if (settled) return;
            settled = true;
            refuseWith(upstreamRefusal(error));
          });
          outgoing.on('upgrade', (answer, upstreamSocket, upstreamHead) => {
            if (settled) return void upstreamSocket.destroy();
            settled = true;
            upstreamSocket.setTimeout(0);
            const checked = readAnswerHeaders(answer.rawHeaders);
            if (checked === undefined) {
              upstreamSocket.destroy();
              return refuseWith({ code: 'upstream-malformed' });
            }
            recordExchange(core.recorder, exchange, {
              status: 101,
              endedBy: 'upstream',
              endedAt: core.now(),
            });
            const lines = ['connection', 'Upgrade', 'upgrade', answer.headers.upgrade ?? '', ...checked.flat];
            let text = 'HTTP/1.1 101 Switching Protocols\r\n';
            for (let index = 0; index < lines.length; index += 2)
              text += `${lines[index]}: ${lines[index + 1]}\r\n`;
            core.recorder.whenWritten(() => {
              (exchange.response as ServerResponse).detachSocket(client as never);
              client.write(`${text}\r\n`, 'latin1');
              if (upstreamHead.length > 0) client.write(upstreamHead);
              if (head.length > 0) upstreamSocket.write(head);
              const facts = { ...factsOf(exchange), id: v7(), parent: exchange.id, startedAt: core.now() };
              carryFlow(core, {
                connection: exchange.origin.connection,
                app,
                request,
                facts,
                client,
                upstream: upstreamSocket,
              });
            });
          });
          outgoing.on('response', (answer) => {
            if (settled) return void answer.destroy();
            settled = true;
            const checked = readAnswerHeaders(answer.rawHeaders);
            if (checked === undefined) {
              answer.destroy();
              return refuseWith({ code: 'upstream-malformed' });
            }
            const { response } = exchange;
            (response as ServerResponse).writeHead(answer.statusCode ?? 502, [
              ...checked.flat,
              'connection',
              'close',
            ] as never);
            answer.on('data', (chunk: Buffer) => {
              exchange.bytesOut += chunk.length;
              if (!(response as ServerResponse).write(chunk)) answer.pause();
            });
            response.on('drain', () => answer.resume());
            answer.on('error', () => client.destroy());
            answer.on('end', () => {
              recordExchange(core.recorder, exchange, {
                status: answer.statusCode ?? 502,
                endedBy: 'upstream',
                endedAt: core.now(),
              });
              core.recorder.whenWritten(() => (response as ServerResponse).end());
            });
          });
          outgoing.end();
        },
        (error: unknown) => refuseWith(upstreamRefusal(error)),
      );
    },
    refuseWith,
  );
}
