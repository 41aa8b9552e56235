import { Type } from 'typebox';
import {
  ChangeDeviceStateRequest,
  ChangeDeviceStateResponse,
  DeviceHistory,
  DeviceView,
  ListDevicesQuery,
  ListDevicesResponse,
} from '../../contract/control-api.ts';
import { AskPostureRequest, AskPostureResponse, DevicePosture } from '../../contract/posture.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { refuse } from '../../contract/refusals.ts';
import { anyRole } from '../../domain/administration.ts';
import { isFinal } from '../../domain/device.ts';
import type { Device } from '../../domain/device.ts';
import type { DeviceId } from '../../domain/ids.ts';
import { postureCriteria, readChecks } from '../../domain/posture.ts';
import { askPosture } from '../devices/ask-posture.ts';
import { commitEnforced } from '../changes/commit-enforced.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { policyVersionOf } from '../../policy/policy-version.ts';
import { pageOf } from '../api/page.ts';
import { etagOf, preconditionOf } from '../api/preconditions.ts';
import type { ReportedPosture } from '../devices/posture-memory.ts';
import { actorOf, requireAdmission } from '../api/require-administrator.ts';

/** A help desk lets devices in and out of quarantine; what cannot be undone is for others. */
const whoMayEndOne = { roles: ['owner', 'security'], scope: 'devices:write' } as const;

const IdParameter = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });
const view = (device: Device): DeviceView => ({ ...device, certificates: [...device.certificates] });

const usualWaitSeconds = 10;

function postureView({ reasons = {}, receivedAt, ...posture }: ReportedPosture): DevicePosture {
  return {
    ...posture,
    ...(receivedAt === undefined ? {} : { reportedAt: Math.floor(receivedAt / 1000) }),
    // Kept by a server of another version, perhaps.
    checks: readChecks(posture.checks),
    reasons: Object.fromEntries(
      postureCriteria.flatMap((name) => (reasons[name] === undefined ? [] : [[name, reasons[name]]])),
    ),
  };
}

/** GET /v1/devices, GET /v1/devices/:id and its /history, GET and POST its /posture, POST /v1/devices/:id/state */
export function deviceRoutes(app: ControlApp, parts: ControlParts): void {
  const { store } = parts;
  const find = (id: string): Device => {
    const device = store.state.devices.get(id as DeviceId);
    if (device === undefined) throw new GatewayError('not-found', { detail: `there is no device ${id}` });
    return device;
  };

  app.get(
    '/v1/devices',
    {
      config: { roles: anyRole },
      schema: {
        summary: 'All devices, or those in one state or of one user',
        tags: ['devices'],
        querystring: ListDevicesQuery,
        response: { 200: ListDevicesResponse },
      },
    },
    async (request, reply) => {
      const { state, user } = request.query;
      const devices = [...store.state.devices.values()].filter(
        (device) =>
          (state === undefined || device.state === state) && (user === undefined || device.user === user),
      );
      const { items, ...next } = pageOf(devices, ({ id }) => id, request.query);
      reply.header('etag', `"${policyVersionOf(store.state.head)}"`);
      return { devices: items.map(view), ...next };
    },
  );

  app.get(
    '/v1/devices/:id',
    {
      config: { roles: anyRole, refusals: ['not-found'] },
      schema: {
        summary: 'One device',
        tags: ['devices'],
        params: IdParameter,
        response: { 200: DeviceView },
      },
    },
    async (request, reply) => {
      const device = find(request.params.id);
      reply.header('etag', etagOf(device));
      return view(device);
    },
  );

  app.get(
    '/v1/devices/:id/history',
    {
      config: { roles: anyRole, refusals: ['not-found'] },
      schema: {
        summary: 'The life of one device: each change of its state, with when, who and why',
        tags: ['devices'],
        params: IdParameter,
        response: { 200: DeviceHistory },
      },
    },
    async (request) => {
      const { id } = find(request.params.id);
      return { changes: [...(store.state.deviceHistory.get(id) ?? [])] };
    },
  );

  app.get(
    '/v1/devices/:id/posture',
    {
      config: { roles: anyRole, refusals: ['not-found'] },
      schema: {
        summary: 'What one device last reported of itself, with why; kept for a day',
        tags: ['devices'],
        params: IdParameter,
        response: { 200: DevicePosture },
      },
    },
    async (request) => {
      const { id } = find(request.params.id);
      const last = await parts.postures.recall(id);
      if (last === undefined)
        throw new GatewayError('not-found', { detail: `${id} has reported no posture for a day` });
      return postureView(last);
    },
  );

  app.post(
    '/v1/devices/:id/posture',
    {
      config: {
        roles: ['owner', 'security', 'helpdesk', 'soc'],
        // It changes nothing and shows something about a person: it goes in the access log.
        scope: 'devices:read',
        refusals: ['not-found', 'state-final'],
      },
      schema: {
        summary: 'Ask one device for its posture now, and wait for the answer',
        tags: ['devices'],
        params: IdParameter,
        body: AskPostureRequest,
        response: { 200: AskPostureResponse },
      },
    },
    async (request) => {
      const { id, ...device } = find(request.params.id);
      if (isFinal(device)) throw new GatewayError('state-final', { detail: `${id} is ${device.state}` });
      const { waitSeconds = usualWaitSeconds } = request.body;
      const { answeredInMs, posture } = await askPosture(parts, id, waitSeconds * 1000);
      return {
        answered: answeredInMs !== undefined,
        ...(answeredInMs === undefined ? {} : { answeredInMs }),
        ...(posture === undefined ? {} : { posture: postureView(posture) }),
      };
    },
  );

  app.post(
    '/v1/devices/:id/state',
    {
      config: {
        roles: ['owner', 'security', 'helpdesk'],
        honorsIfMatch: true,
        refusals: ['not-found', 'state-final', 'role-missing'],
      },
      schema: {
        summary: 'Quarantine, release, revoke or report lost; answers once every worker has cut what it ends',
        tags: ['devices'],
        params: IdParameter,
        body: ChangeDeviceStateRequest,
        response: { 200: ChangeDeviceStateResponse },
      },
    },
    async (request, reply) => {
      const id = request.params.id as DeviceId;
      const precondition = preconditionOf(request);
      const { state: next, reason } = request.body;
      if (isFinal({ state: next })) requireAdmission(request, whoMayEndOne);
      const { enforcedInMs, workersPending } = await commitEnforced(parts, actorOf(request), (state) => {
        const device = state.devices.get(id);
        if (device === undefined) return refuse('not-found', `there is no device ${id}`);
        if (isFinal(device))
          return refuse(
            'state-final',
            `${id} is ${device.state} since ${device.changedAt}: ${device.reason ?? ''}`,
          );
        const stale = precondition(() => etagOf(device));
        if (stale !== undefined) return stale;
        return { events: [{ type: 'device-state-changed', device: id, state: next, reason }], value: id };
      });
      request.log.info(
        { device: id, state: next, actor: actorOf(request), enforcedInMs, workersPending },
        'device state changed',
      );
      const device = find(id);
      reply.header('etag', etagOf(device));
      return { device: view(device), enforcedInMs, workersPending };
    },
  );
}
