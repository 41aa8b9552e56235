import { LeaveResponse } from '../../contract/control-api.ts';
import { refuse } from '../../contract/refusals.ts';
import { finalStates, flowRoles, isFinal } from '../../domain/device.ts';
import { commitEnforced } from '../changes/commit-enforced.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { deviceOf, requireDevice } from '../api/require-device.ts';
import { signedLeave } from '../devices/signed-firewall.ts';

/** As it is read in the history of the device. */
const reason = 'left by itself (postern-agent leave)';

/**
 * POST /v1/device/leave: the device that asks is revoked, once and for all, and gets a signed word for the helper on the
 * laptop that its firewall may go. One comes with the other: whoever has the agent cannot have the laptop open and go on
 * as a device.
 */
export function deviceLeaveRoute(app: ControlApp, parts: ControlParts): void {
  app.post(
    '/v1/device/leave',
    {
      onRequest: requireDevice(parts, flowRoles),
      schema: {
        summary: 'Revoke the device that asks: it leaves the organization, and its firewall goes',
        tags: ['devices'],
        security: [{ deviceCertificate: [] }],
        response: { 200: LeaveResponse },
      },
    },
    async (request) => {
      const { device: id } = deviceOf(request);
      await commitEnforced(parts, `device:${id}`, (state) => {
        const device = state.devices.get(id);
        if (device === undefined) return refuse('device-unknown', id);
        if (isFinal(device)) return refuse(finalStates[device.state], `${id} is ${device.state}`);
        return {
          events: [{ type: 'device-state-changed', device: id, state: 'revoked', reason }],
          value: id,
        };
      });
      request.log.info({ device: id }, 'device left');
      return { firewall: signedLeave(parts, id) };
    },
  );
}
