import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { v7 } from './flow-id.ts';
import type { FlowId } from '../domain/ids.ts';
import type { DialledUpstream, FlowFacts } from '../domain/flow.ts';
import type { Decision } from '../domain/decision.ts';
import type { App } from '../domain/resources.ts';
import type { Subject } from '../domain/subject.ts';
import type { Origin } from './connection.ts';
import type { ReadHeaders } from './headers.ts';

export type ClientRequest = IncomingMessage | Http2ServerRequest;
export type ClientResponse = ServerResponse | Http2ServerResponse;

/** One request on its way through the pipeline: what was received, and what each step has found out. */
export interface Exchange {
  readonly id: FlowId;
  readonly origin: Origin;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  readonly method: string;
  readonly httpVersion: '1.0' | '1.1' | '2.0';
  /** Whether the client wants to leave HTTP on this connection (RFC 9110, section 7.8). */
  readonly upgrade: boolean;
  headers: ReadHeaders | undefined;
  /** As asked for, lower-case. */
  authority: string;
  scheme: 'http' | 'https';
  /** Path and query exactly as received, and as they will be forwarded. */
  target: string;
  subject: Subject | undefined;
  app: App | undefined;
  decision: Decision | undefined;
  upstream: DialledUpstream | undefined;
  bytesIn: number;
  bytesOut: number;
  /** Recorded, by whichever end came first. */
  finished: boolean;
}

export function createExchange(
  origin: Origin,
  request: ClientRequest,
  response: ClientResponse,
  startedAt: number,
): Exchange {
  return {
    id: v7(),
    origin,
    startedAt,
    request,
    response,
    method: request.method ?? '',
    httpVersion: request.httpVersionMajor === 2 ? '2.0' : request.httpVersion === '1.0' ? '1.0' : '1.1',
    upgrade: 'upgrade' in request && request.upgrade === true,
    headers: undefined,
    authority: '',
    scheme: origin.tunnel?.scheme ?? 'https',
    target: '',
    subject: undefined,
    app: undefined,
    decision: undefined,
    upstream: undefined,
    bytesIn: 0,
    bytesOut: 0,
    finished: false,
  };
}

/** Stands for a request of which not even the head could be read. */
export function createUnreadExchange(origin: Origin, startedAt: number): Exchange {
  const nothing = { method: '', httpVersion: '1.1', httpVersionMajor: 1, rawHeaders: [], complete: false };
  return createExchange(
    origin,
    nothing as unknown as ClientRequest,
    undefined as unknown as ClientResponse,
    startedAt,
  );
}

/** Path without query string: what policies and records see. */
export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}

/** The record's view of an exchange, at whatever point it ended. */
export function factsOf(exchange: Exchange): FlowFacts {
  const { id, origin, startedAt, subject, app, decision, upstream, headers } = exchange;
  return {
    id,
    connection: origin.connection.facts,
    startedAt,
    request: {
      method: exchange.method,
      authority: exchange.authority,
      path: pathOf(exchange.target),
      scheme: exchange.scheme,
      httpVersion: exchange.httpVersion,
      ...(headers?.userAgent === undefined ? {} : { userAgent: headers.userAgent }),
    },
    ...(origin.tunnel === undefined ? {} : { parent: origin.tunnel.flow }),
    ...(subject === undefined ? {} : { subject }),
    ...(app === undefined ? {} : { app }),
    ...(decision === undefined ? {} : { decision }),
    ...(upstream === undefined ? {} : { upstream }),
  };
}
