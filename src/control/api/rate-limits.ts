import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../contract/gateway-error.ts';
import { addressBlock } from '../failure-limit.ts';
import type { FleetingStore } from '../fleeting/fleeting-store.ts';
import { actorOf } from './require-administrator.ts';

/** Requests a minute. */
export interface RateLimits {
  readonly perAddress: number;
  readonly perAdministrator: number;
}

/** More than people and their scripts need, and less than would keep the others waiting. */
export const defaultRateLimits: RateLimits = { perAddress: 12_000, perAdministrator: 6000 };

/** Who is counted at a time, on a server that counts for itself. */
export const countedAtOnce = { maxEntries: 10_000 } as const;

const windowMs = 60_000;

type Limiter = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/**
 * What the routes of administrators are limited by: the address before anyone is known, which bounds what guessing keys
 * costs us, and the administrator after that. Counted together by all servers that share `requestCounts`. While those cannot be
 * reached, each server goes on with its own count: to refuse everyone would take the view of what is wrong from those
 * who have to mend it, and it is the load of this server that is bounded either way.
 */
export function createRateLimiters(parts: {
  readonly rateLimits: RateLimits;
  readonly requestCounts: FleetingStore;
  /** Epoch milliseconds. */
  readonly clock: () => number;
}): { readonly perAddress: Limiter; readonly perAdministrator: Limiter } {
  const { rateLimits, requestCounts, clock } = parts;
  const limiter =
    (most: number, keyOf: (request: FastifyRequest) => string): Limiter =>
    async (request, reply) => {
      const now = clock();
      // By the minute of the clock, which every server knows, so that each can say when it is over.
      const minute = Math.floor(now / windowMs);
      const count = await requestCounts.count(`${keyOf(request)} ${minute}`, windowMs);
      if (count <= most) return;
      reply.header('retry-after', String(Math.ceil(((minute + 1) * windowMs - now) / 1000)));
      throw new GatewayError('rate-limited');
    };
  return {
    perAddress: limiter(
      rateLimits.perAddress,
      ({ socket }) => `address ${addressBlock(socket.remoteAddress ?? '')}`,
    ),
    perAdministrator: limiter(rateLimits.perAdministrator, (request) => `administrator ${actorOf(request)}`),
  };
}
