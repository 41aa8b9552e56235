import rateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../contract/gateway-error.ts';
import type { ControlApp } from './control-parts.ts';
import { addressBlock } from './failure-limit.ts';
import { actorOf } from './require-administrator.ts';

/** Requests a minute. */
export interface RateLimits {
  readonly perAddress: number;
  readonly perAdministrator: number;
}

/** More than people and their scripts need, and less than would keep the others waiting. */
export const defaultRateLimits: RateLimits = { perAddress: 12_000, perAdministrator: 6000 };

type Limiter = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/**
 * What the routes of administrators are limited by: the address before anyone is known, which bounds what guessing keys
 * costs us, and the administrator after that.
 */
export async function createRateLimiters(
  app: ControlApp,
  limits: RateLimits,
): Promise<{ readonly perAddress: Limiter; readonly perAdministrator: Limiter }> {
  await app.register(rateLimit, { global: false });
  const limiter = (max: number, keyGenerator: (request: FastifyRequest) => string): Limiter => {
    const count = app.createRateLimit({ max, timeWindow: 60_000, keyGenerator });
    return async (request, reply) => {
      const counted = await count(request);
      if (counted.isAllowed || !counted.isExceeded) return;
      reply.header('retry-after', String(Math.max(1, counted.ttlInSeconds)));
      throw new GatewayError('rate-limited');
    };
  };
  return {
    perAddress: limiter(limits.perAddress, ({ socket }) => addressBlock(socket.remoteAddress ?? '')),
    perAdministrator: limiter(limits.perAdministrator, actorOf),
  };
}
