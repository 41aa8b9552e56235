import { Type } from 'typebox';
import { BlastRadius } from '../../contract/blast-radius.ts';
import { FlowPeriodQuery, FlowPlaceQuery } from '../../contract/flow-search.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import type { DeviceId } from '../../domain/ids.ts';
import { askFlows } from '../records/ask-flows.ts';
import { measureBlastRadius } from '../records/blast-radius.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { flowPeriodOf } from '../records/flow-period.ts';

const usualDays = 30;

/** GET /v1/flows/blast-radius/:device: for the day on which a laptop is lost or taken over. */
export function blastRadiusRoute(app: ControlApp, parts: ControlParts): void {
  app.get(
    '/v1/flows/blast-radius/:device',
    {
      config: {
        roles: ['owner', 'security', 'soc', 'auditor'],
        scope: 'flows:read',
        refusals: ['not-found', 'search-overrun', 'search-unavailable'],
      },
      schema: {
        summary: 'All that a device reached, tried, and could reach by the policies of now',
        tags: ['flows'],
        params: Type.Object({ device: Type.String({ minLength: 1, maxLength: 128 }) }),
        querystring: Type.Object({ ...FlowPeriodQuery, ...FlowPlaceQuery }, { additionalProperties: false }),
        response: { 200: BlastRadius },
      },
    },
    async (request, reply) => {
      const { device: id } = request.params;
      const device = parts.store.state.devices.get(id as DeviceId);
      if (device === undefined) throw new GatewayError('not-found', { detail: `there is no device ${id}` });
      const { from } = request.query;
      const ask = askFlows(parts.flows, reply);
      return measureBlastRadius(parts, {
        device,
        ...flowPeriodOf(request.query, parts.clock(), usualDays),
        ask: (query) => ask(from === undefined ? query : { ...query, from }),
      });
    },
  );
}
