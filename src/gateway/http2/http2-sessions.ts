import { constants, performServerHandshake } from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { postureSignal } from '../../contract/posture-signal.ts';
import type { Settings } from '../../contract/settings.ts';
import type { ClientConnection } from '../listener/client-connection.ts';
import type { Exchange, TunnelContext } from '../exchange.ts';
import { Http2Exchange } from './http2-exchange.ts';

export interface Http2Sessions {
  serve(owner: {
    readonly connection: ClientConnection;
    readonly tunnel: TunnelContext | undefined;
    readonly socket: Duplex;
  }): void;
  /** No new streams; sessions end after their last one. */
  drain(): void;
  close(): void;
}

/**
 * Header lists up to this are read, and refused with an answer and a record where they are above `maxHeaderBytes`. What is
 * larger still nghttp2 resets by itself, with ENHANCE_YOUR_CALM, and tells nobody.
 */
const largestReadHeaderBytes = 256 * 1024;
const mostReadFields = 8192;

/** The default of 64 KiB halves what a tunnel carries. */
const windowBytes = 4 * 1024 * 1024;

/** The HTTP/2 side of the listener, with bounds on what a session may cost before it asks for anything useful. */
export function createHttp2Sessions(settings: Settings, handle: (exchange: Exchange) => void): Http2Sessions {
  const { limits } = settings;
  const sessions = new Set<ServerHttp2Session>();

  return {
    serve({ connection, tunnel, socket }) {
      const session = performServerHandshake(socket, {
        settings: {
          initialWindowSize: windowBytes,
          maxConcurrentStreams: limits.maxStreamsPerConnection,
          maxHeaderListSize: Math.max(limits.maxHeaderBytes, largestReadHeaderBytes),
          enableConnectProtocol: true,
          enablePush: false,
        },
        maxHeaderListPairs: mostReadFields,
        maxSettings: 32,
        maxOutstandingPings: 4,
        maxSessionInvalidFrames: 100,
        maxSessionRejectedStreams: 100,
        // CVE-2023-44487: streams that are opened and reset at once.
        streamResetBurst: 1000,
        streamResetRate: 33,
        // Mebibytes; a stream's unread data is bounded by its window, this by all of them.
        maxSessionMemory: 64,
      });
      sessions.add(session);
      session.setLocalWindowSize(windowBytes);
      if (tunnel === undefined) {
        connection.askPosture = () => {
          if (!session.destroyed) session.ping(postureSignal, () => undefined);
        };
      }
      // Node counts a PING as a sign of life only where somebody listens: without it, quiet laptops would be cut and return.
      session.on('ping', () => undefined);
      session.setTimeout(limits.idleConnectionTimeoutMs, () => {
        if (connection.grants.size === 0) session.close();
      });
      session.on('error', () => undefined);
      session.once('close', () => {
        sessions.delete(session);
        socket.destroy();
      });
      session.on(
        'stream',
        (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, rawHeaders: string[]) => {
          const endsStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
          handle(new Http2Exchange({ connection, tunnel }, stream, headers, rawHeaders, endsStream));
        },
      );
    },
    drain() {
      for (const session of sessions) session.close();
    },
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}
