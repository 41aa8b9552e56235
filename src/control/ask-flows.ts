import type { FastifyReply } from 'fastify';
import { GatewayError } from '../contract/gateway-error.ts';
import type { FlowAnswer, FlowQuery } from '../flow/search/flow-query.ts';
import { SearchOverrun } from '../flow/search/searcher.ts';
import type { ControlParts } from './control-parts.ts';

/** Asks the records for an answer, and no longer when nobody waits for it any more. @throws GatewayError */
export function askFlows(
  flows: Pick<ControlParts['flows'], 'ask'>,
  reply: FastifyReply,
): (query: FlowQuery) => Promise<FlowAnswer> {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return async (query) => {
    try {
      return await flows.ask(query, gone.signal);
    } catch (error) {
      const code = error instanceof SearchOverrun ? 'search-overrun' : 'search-unavailable';
      const detail = error instanceof Error ? error.message : String(error);
      throw new GatewayError(code, { detail, cause: error });
    }
  };
}
