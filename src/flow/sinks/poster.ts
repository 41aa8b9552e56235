import { Pool } from 'undici';
import type { ResolvedTls } from './resolved-sink.ts';
import { tlsOptions } from './tls-options.ts';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Posts to one receiver over one connection. */
export interface Poster {
  /** @throws Error with a sentence where there is no whole answer in time. */
  post(path: string, body: string, headers: Readonly<Record<string, string>>): Promise<Answer>;
  /** What is under way fails. */
  close(): Promise<void>;
}

export interface PosterOptions {
  /** With the path that all others are under. */
  readonly url: string;
  readonly timeoutSeconds: number;
  readonly tls: ResolvedTls | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** A receiver says what it makes of ten thousand records in less. */
const mostAnswerBytes = 8 * 1024 * 1024;

export function createPoster({ url, timeoutSeconds, tls, headers }: PosterOptions): Poster {
  const { origin, hostname, pathname } = new URL(url);
  const timeoutMs = timeoutSeconds * 1000;
  const pool = new Pool(origin, {
    connections: 1,
    pipelining: 1,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: mostAnswerBytes,
    connect: {
      timeout: Math.min(timeoutMs, 10_000),
      ...(origin.startsWith('https:') ? tlsOptions(hostname.replace(/^\[(.*)\]$/, '$1'), tls) : {}),
    },
  });
  return {
    async post(path, body, more) {
      try {
        const answer = await pool.request({
          method: 'POST',
          path: `${pathname.replace(/\/$/, '')}${path}`,
          headers: { ...headers, ...more },
          body,
          signal: AbortSignal.timeout(timeoutMs),
        });
        return { status: answer.statusCode, text: await answer.body.text() };
      } catch (error) {
        const { message, code } = error as NodeJS.ErrnoException;
        throw new Error(`${origin}: ${message === '' ? (code ?? 'no connection') : message}`, {
          cause: error,
        });
      }
    },
    close: () => pool.destroy(),
  };
}

/** An answer that is not what was hoped for, in a sentence; receivers put secrets of ours in none, and may write at length. */
export const describeAnswer = ({ status, text }: Answer): string =>
  `the receiver answers ${status}: ${text.replaceAll(/[\s\p{Cc}]+/gu, ' ').slice(0, 300)}`;

export const basicAuthorization = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/** JSON of an answer; undefined where it is none. */
export function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
