import { Type } from 'typebox';
import {
  ChangeDeviceStateRequest,
  ChangeDeviceStateResponse,
  DeviceView,
} from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { refuse } from '../../contract/refusals.ts';
import { anyRole } from '../../domain/administration.ts';
import type { Device, DeviceState } from '../../domain/device.ts';
import type { DeviceId } from '../../domain/ids.ts';
import { commitEnforced } from '../commit-enforced.ts';
import type { ControlApp, ControlParts } from '../control-parts.ts';
import { actorOf, requireAdmission } from '../require-administrator.ts';

/** A help desk lets devices in and out of quarantine; what cannot be undone is for others. */
const finalStates = { roles: ['owner', 'security'], scope: 'devices:write' } as const;
const isFinal = (state: DeviceState): boolean => state === 'revoked' || state === 'lost';

const IdParameter = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });
const view = (device: Device): DeviceView => ({ ...device, certificates: [...device.certificates] });

/** GET /v1/devices, GET /v1/devices/:id, POST /v1/devices/:id/state */
export function deviceRoutes(app: ControlApp, parts: ControlParts): void {
  const { store } = parts;

  app.get(
    '/v1/devices',
    {
      config: { roles: anyRole },
      schema: {
        summary: 'All devices',
        tags: ['devices'],
        response: { 200: Type.Object({ devices: Type.Array(DeviceView) }) },
      },
    },
    async () => ({ devices: [...store.state.devices.values()].map(view) }),
  );

  app.get(
    '/v1/devices/:id',
    {
      config: { roles: anyRole },
      schema: {
        summary: 'One device',
        tags: ['devices'],
        params: IdParameter,
        response: { 200: DeviceView },
      },
    },
    async (request) => {
      const device = store.state.devices.get(request.params.id as DeviceId);
      if (device === undefined)
        throw new GatewayError('not-found', { detail: `there is no device ${request.params.id}` });
      return view(device);
    },
  );

  app.post(
    '/v1/devices/:id/state',
    {
      config: { roles: ['owner', 'security', 'helpdesk'] },
      schema: {
        summary: 'Quarantine, release, revoke or report lost; answers once every worker has cut what it ends',
        tags: ['devices'],
        params: IdParameter,
        body: ChangeDeviceStateRequest,
        response: { 200: ChangeDeviceStateResponse },
      },
    },
    async (request) => {
      const id = request.params.id as DeviceId;
      const { state: next, reason } = request.body;
      if (isFinal(next)) requireAdmission(request, finalStates);
      const { enforcedInMs, workersPending } = await commitEnforced(parts, actorOf(request), (state) => {
        const device = state.devices.get(id);
        if (device === undefined) return refuse('not-found', `there is no device ${id}`);
        if (isFinal(device.state))
          return refuse(
            'state-final',
            `${id} is ${device.state} since ${device.changedAt}: ${device.reason ?? ''}`,
          );
        return { events: [{ type: 'device-state-changed', device: id, state: next, reason }], value: id };
      });
      request.log.info(
        { device: id, state: next, actor: actorOf(request), enforcedInMs, workersPending },
        'device state changed',
      );
      const device = store.state.devices.get(id);
      if (device === undefined) throw new GatewayError('internal-error');
      return { device: view(device), enforcedInMs, workersPending };
    },
  );
}
