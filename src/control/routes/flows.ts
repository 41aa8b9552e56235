import { Type } from 'typebox';
import {
  SearchFlowsQuery,
  SearchFlowsResponse,
  SummarizeFlowsQuery,
  SummarizeFlowsResponse,
} from '../../contract/flow-search.ts';
import type { SummaryColumn } from '../../contract/flow-search.ts';
import { readFlowFilter } from '../../flow/search/flow-query.ts';
import { askFlows } from '../records/ask-flows.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { flowPeriodOf } from '../records/flow-period.ts';
import { findByName } from '../people/name-filter.ts';
import { formatCursor, limitOf, parseCursor } from '../api/page.ts';

const Place = Type.Object(
  { time: Type.Integer(), uid: Type.String({ maxLength: 64 }) },
  { additionalProperties: false },
);

const admission = {
  roles: ['owner', 'security', 'soc', 'auditor'],
  scope: 'flows:read',
  refusals: ['search-overrun', 'search-unavailable'],
} as const;

/** GET /v1/flows and GET /v1/flows/summary: what the records of this server say. Each is in the access log. */
export function flowRoutes(app: ControlApp, parts: ControlParts): void {
  const { flows, clock } = parts;
  const periodOf = (query: { readonly since?: string; readonly until?: string }) =>
    flowPeriodOf(query, clock(), 1);

  const fromOf = ({ from }: { readonly from?: string }) => (from === undefined ? {} : { from });

  app.get(
    '/v1/flows',
    {
      config: admission,
      schema: {
        summary: 'Flow records, newest first',
        tags: ['flows'],
        querystring: SearchFlowsQuery,
        response: { 200: SearchFlowsResponse },
      },
    },
    async (request, reply) => {
      const limit = limitOf(request.query, 100);
      const after = parseCursor(Place, request.query.cursor);
      const query = {
        kind: 'rows',
        filter: await findByName(readFlowFilter(request.query), request, parts),
        ...fromOf(request.query),
        ...periodOf(request.query),
        limit,
        whole: request.query.whole === 'true',
        ...(after === undefined ? {} : { after }),
      } as const;
      const answer = await askFlows(flows, reply)(query);
      const found = answer.kind === 'rows' ? [...answer.rows] : [];
      const last = found.length < limit ? undefined : found.at(-1);
      return {
        flows: found,
        ...(last === undefined ? {} : { next: formatCursor({ time: last.time ?? 0, uid: last.uid ?? '' }) }),
      };
    },
  );

  app.get(
    '/v1/flows/summary',
    {
      config: admission,
      schema: {
        summary: 'How often flows were allowed and denied, by user, device, application and more',
        tags: ['flows'],
        querystring: SummarizeFlowsQuery,
        response: { 200: SummarizeFlowsResponse },
      },
    },
    async (request, reply) => {
      const by = [...new Set(request.query.by.split(','))] as SummaryColumn[];
      const query = {
        kind: 'counts',
        by,
        filter: await findByName(readFlowFilter(request.query), request, parts),
        ...fromOf(request.query),
        ...periodOf(request.query),
        limit: limitOf(request.query, 100),
      } as const;
      const answer = await askFlows(flows, reply)(query);
      return { counts: answer.kind === 'counts' ? [...answer.counts] : [] };
    },
  );
}
