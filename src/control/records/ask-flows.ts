import type { FastifyReply } from 'fastify';
import { GatewayError } from '../../contract/gateway-error.ts';
import type { FlowAnswer, FlowQuery } from '../../flow/search/flow-query.ts';
import { SearchOverrun } from '../../flow/search/searcher.ts';
import type { ControlParts } from '../api/control-parts.ts';

/** Asks the records for an answer, and no longer when nobody waits for it any more. @throws GatewayError */
export function askFlows(
  flows: Pick<ControlParts['flows'], 'ask' | 'buckets'>,
  reply: FastifyReply,
): (query: FlowQuery) => Promise<FlowAnswer> {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return async (query) => {
    const { from } = query;
    if (from !== undefined && !flows.buckets.includes(from))
      throw new GatewayError('invalid-input', {
        problems: [
          `from: there is no sink ${from} of type s3 in the settings; there is ${flows.buckets.join(', ') || 'none'}`,
        ],
      });
    try {
      return await flows.ask(query, gone.signal);
    } catch (error) {
      const code = error instanceof SearchOverrun ? 'search-overrun' : 'search-unavailable';
      const detail = error instanceof Error ? error.message : String(error);
      throw new GatewayError(code, { detail, cause: error });
    }
  };
}
