import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../../contract/gateway-error.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { administratorOf } from '../api/require-administrator.ts';

/**
 * Puts every answer of a route that reads (its scope says so) on record before it leaves; one that cannot be recorded is
 * not given. A change is in the ledger with who made it and needs no second record. A route that shows nothing about
 * people says `isRecorded: false`.
 */
export function recordReads(app: ControlApp, { accessLog, people, clock }: ControlParts): void {
  app.addHook('preSerialization', async (request, _reply, payload) => {
    request.shown = countShown(payload);
    return payload;
  });
  app.addHook('onSend', async (request, reply, payload) => {
    if (!isRecorded(request) || reply.statusCode < 200 || reply.statusCode > 299) return payload;
    const { actor, roles } = administratorOf(request);
    const target = targetOf(request);
    // Where records have no names, neither has what was asked for.
    const { user } = target;
    if (user !== undefined && people !== undefined) {
      const person = await people.idOf(user);
      if (person !== undefined) target['user'] = `person ${person}`;
    }
    const written = await accessLog.record({
      id: request.id,
      at: clock(),
      actor,
      roles,
      address: request.socket.remoteAddress ?? '',
      operation: `${request.method} ${request.routeOptions.url ?? ''}`,
      target,
      count: request.shown ?? 1,
    });
    if (!written) throw new GatewayError('access-log-unavailable');
    return payload;
  });
}

const isRecorded = ({ routeOptions: { config } }: FastifyRequest): boolean =>
  config.isRecorded !== false && config.scope?.endsWith(':read') === true;

/** A list, with where it goes on or without, shows as many as it holds; anything else is one. */
function countShown(payload: unknown): number {
  const [first, ...others] = Object.entries(payload ?? {}).filter(([name]) => name !== 'next');
  return first !== undefined && others.length === 0 && Array.isArray(first[1]) ? first[1].length : 1;
}

/** What was asked for, but for how it is paged. Bodies are not read here: a route that has one says what counts in it. */
function targetOf(request: FastifyRequest): Record<string, string> {
  const asked: Record<string, unknown> = {
    ...(request.params as object),
    ...(request.query as object),
    ...request.readTarget,
  };
  return Object.fromEntries(
    Object.entries(asked)
      .filter(([name]) => name !== 'cursor' && name !== 'limit')
      .map(([name, value]) => [name, String(value)]),
  );
}
