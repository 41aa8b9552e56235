import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { TailFlowsQuery } from '../../contract/flow-search.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { readFlowFilter } from '../../flow/search/flow-query.ts';
import type { FlowFilter } from '../../flow/search/flow-query.ts';
import { TooManyFollowers } from '../../flow/search/searcher.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { findByName } from '../people/name-filter.ts';
import { liveEvents } from '../api/live-events.ts';
import { requireAdministrator } from '../api/require-administrator.ts';

const tickMs = 1000;

/**
 * GET /v1/flows/tail: records as they come, as server-sent events. A reader that is slow is waited for, and nothing is held for
 * it here: its records are in the spool. Who loses the right to read them is shown no more within a second.
 */
export function flowTailRoute(app: ControlApp, parts: ControlParts): void {
  const following = new Set<AbortController>();
  const isLetIn = requireAdministrator(parts);
  app.addHook('preClose', async () => {
    for (const follower of following) follower.abort();
  });
  const followOrRefuse = (filter: FlowFilter, signal: AbortSignal): AsyncIterable<string> => {
    try {
      return parts.flows.follow(filter, signal);
    } catch (error) {
      if (!(error instanceof TooManyFollowers)) throw error;
      throw new GatewayError('too-many-followers', { detail: error.message });
    }
  };
  app.get(
    '/v1/flows/tail',
    {
      config: {
        roles: ['owner', 'security', 'soc', 'auditor'],
        scope: 'flows:read',
        refusals: ['too-many-followers'],
      },
      schema: {
        summary:
          'Flow records as they come, as server-sent events; the data of each is one flow with its record',
        tags: ['flows'],
        querystring: TailFlowsQuery,
        response: {
          200: { content: { 'text/event-stream': { schema: Type.Unsafe<Readable>(Type.String()) } } },
        },
      },
    },
    async (request, reply) => {
      const { seconds, ...query } = request.query;
      const filter = await findByName(readFlowFilter(query), request, parts);
      const follower = new AbortController();
      const lines = followOrRefuse(filter, follower.signal);
      following.add(follower);
      const timer =
        seconds === undefined ? undefined : setTimeout(() => follower.abort(), Number(seconds) * 1000);
      reply.raw.once('close', () => {
        clearTimeout(timer);
        following.delete(follower);
        follower.abort();
      });
      const events = liveEvents({
        lines,
        signal: follower.signal,
        tickMs,
        async refusal() {
          try {
            await isLetIn(request);
            return undefined;
          } catch (error) {
            return error instanceof GatewayError ? error.code : 'internal-error';
          }
        },
      });
      reply.header('content-type', 'text/event-stream; charset=utf-8').header('x-accel-buffering', 'no');
      return reply.send(Readable.from(events, { objectMode: false, highWaterMark: 16_384 }));
    },
  );
}
