import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { Dispatcher } from 'undici';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import { DialError } from '../routing/dialer.ts';
import type { UpstreamChoice } from '../routing/upstream-choice.ts';
import type { Upstream } from '../routing/upstream.ts';
import type { App } from '../domain/resources.ts';
import type { Exchange } from './exchange.ts';
import { bodyTooSlow } from './body-errors.ts';
import { named, readAnswerHeaders } from './headers.ts';
import { readBody } from './request-body.ts';
import { upstreamRefusal } from './upstream-failure.ts';
import type { UpstreamPool, UpstreamPools } from './upstream-pools.ts';

/** How a forwarded exchange ends. `finish` is told once, whichever comes first. */
export interface ForwardEvents {
  /** All of the answer but its last bytes is out; `last` sends those. */
  readonly answered: (status: number, last: () => void) => void;
  /** The upstream failed; `headSent` tells whether the client has a status already. */
  readonly failed: (refusal: Refusal, headSent: boolean) => void;
  readonly clientGone: () => void;
}

export interface Forwarder {
  /** Starts; returns what aborts it from outside, when the grant ends. */
  forward(exchange: Exchange, app: App, headers: string[], events: ForwardEvents): () => void;
}

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
const cutByGateway = new Error('cut by the gateway');
const clientGone = new Error('client gone');

export function createForwarder(
  pools: UpstreamPools,
  choice: UpstreamChoice,
  bodyIdleTimeoutMs: number,
  now: () => number,
): Forwarder {
  return {
    forward(exchange, app, headers, events) {
      const { request, response, method } = exchange;
      const candidates = choice.candidates(app, now());
      const body = readBody(request, bodyIdleTimeoutMs, (bytes) => (exchange.bytesIn += bytes));
      let controller: Dispatcher.DispatchController | undefined;
      let ended = false;
      let headSent = false;
      let attempts = 0;

      const end = (): boolean => {
        if (ended) return false;
        ended = true;
        response.off('close', onClose);
        response.off('drain', onDrain);
        return true;
      };
      const fail = (refusal: Refusal): void => {
        if (end()) events.failed(refusal, headSent);
      };
      const onClose = (): void => {
        if (!end()) return;
        controller?.abort(clientGone);
        events.clientGone();
      };
      const onDrain = (): void => controller?.resume();
      response.on('close', onClose);
      response.on('drain', onDrain);

      const dispatch = (target: UpstreamPool, next: number): void => {
        attempts += 1;
        exchange.upstream = { network: target.network, address: target.address, port: target.upstream.port };
        const handler = answerHandler(exchange, target, {
          started: (started) => {
            controller = started;
            if (ended) started.abort(clientGone);
          },
          headSent: () => {
            headSent = true;
            if (attempts === 1 || next > 0) choice.succeeded(app, target.upstream);
          },
          complete: (status, last) => {
            if (end()) events.answered(status, last);
          },
          failed: (error, anyByte) => {
            if (ended) return;
            const dialFailed = error instanceof DialError;
            if (dialFailed) choice.failed(app, target.upstream, now());
            const candidate = dialFailed ? candidates[next] : undefined;
            if (candidate !== undefined) return dispatch(pools.get(app, candidate), next + 1);
            // A kept connection that the upstream closed just now: safe to repeat what has no body and changes nothing twice.
            if (
              !dialFailed &&
              !anyByte &&
              attempts === 1 &&
              body === null &&
              idempotent.has(method) &&
              wasReset(error)
            )
              return dispatch(target, next);
            fail(error === bodyTooSlow ? refuse('request-timeout') : upstreamRefusal(error));
          },
        });
        try {
          target.pool.dispatch(
            { path: exchange.target, method, headers, body } as Dispatcher.DispatchOptions,
            handler,
          );
        } catch (error) {
          fail(refuse('bad-request', String(error)));
        }
      };

      const [first] = candidates;
      if (first === undefined) fail(refuse('upstream-unreachable', 'no upstream'));
      else dispatch(pools.get(app, first as Upstream), 1);
      return () => {
        if (!end()) return;
        controller?.abort(cutByGateway);
      };
    },
  };
}

const wasReset = (error: unknown): boolean => {
  const { code } = error as { code?: string };
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
};

interface AnswerEvents {
  readonly started: (controller: Dispatcher.DispatchController) => void;
  readonly headSent: () => void;
  readonly complete: (status: number, last: () => void) => void;
  readonly failed: (error: unknown, anyByte: boolean) => void;
}

/**
 * Passes an upstream's answer on as it comes. What completes it for the client is kept back: the last bytes of a body of known
 * length, or the end of one without. `complete` decides when they go out, so that the record is written before.
 */
function answerHandler(
  exchange: Exchange,
  target: UpstreamPool,
  events: AnswerEvents,
): Dispatcher.DispatchHandler {
  const { response } = exchange;
  let status = 0;
  let remaining: number | undefined;
  let lastChunk: Buffer | undefined;
  let malformed = false;

  return {
    onRequestStart: (controller) => events.started(controller),
    onResponseStart(controller, statusCode, _headers, statusMessage) {
      const answer = readAnswerHeaders((controller.rawHeaders ?? []) as Buffer[]);
      if (statusCode < 200) {
        if (statusCode === 103 && answer !== undefined) writeEarlyHints(exchange, answer.flat);
        return;
      }
      if (answer === undefined) {
        malformed = true;
        controller.abort(
          Object.assign(new Error('Content-Length of the answer'), { code: 'HPE_UNEXPECTED_CONTENT_LENGTH' }),
        );
        return;
      }
      status = statusCode;
      remaining = answer.contentLength;
      exchange.upstream = { network: target.network, address: target.address, port: target.upstream.port };
      events.headSent();
      if (exchange.httpVersion === '2.0')
        (response as Http2ServerResponse).writeHead(statusCode, named(answer.flat));
      else (response as ServerResponse).writeHead(statusCode, statusMessage ?? '', answer.flat);
    },
    onResponseData(controller, chunk) {
      exchange.bytesOut += chunk.length;
      if (remaining !== undefined) {
        remaining -= chunk.length;
        if (remaining === 0) {
          lastChunk = chunk;
          return;
        }
      }
      if (!(response as ServerResponse).write(chunk)) controller.pause();
    },
    onResponseEnd(_controller, trailers) {
      const names = Object.keys(trailers ?? {});
      events.complete(status, () => {
        if (names.length > 0) response.addTrailers(trailers as Record<string, string>);
        if (lastChunk === undefined) (response as ServerResponse).end();
        else (response as ServerResponse).end(lastChunk);
      });
    },
    onResponseError(_controller, error) {
      events.failed(error, status !== 0 || malformed);
    },
  };
}

function writeEarlyHints(exchange: Exchange, flat: readonly string[]): void {
  const headers = named(flat);
  if (headers['link'] === undefined) return;
  (exchange.response as ServerResponse).writeEarlyHints(headers as Record<string, string>);
}
