import { AgentConfig } from '../../contract/control-api.ts';
import { portsOf } from '../../domain/app-ports.ts';
import { flowRoles } from '../../domain/device.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { signedFirewall } from '../devices/signed-firewall.ts';
import { deviceOf, requireDevice } from '../api/require-device.ts';

/** GET /v1/device/config: what the agent must know to carry flows; not what it may use, that is decided at each flow. */
export function deviceConfigRoute(app: ControlApp, parts: ControlParts): void {
  app.get(
    '/v1/device/config',
    {
      onRequest: requireDevice(parts, flowRoles),
      schema: {
        summary: 'Gateways and the hosts of applications, for the agent',
        tags: ['devices'],
        security: [{ deviceCertificate: [] }],
        response: { 200: AgentConfig },
      },
    },
    async (request) => ({
      domain: parts.store.state.domain,
      ...describeGateways(parts.gateway),
      apps: [...parts.store.state.apps.values()].map((each) => ({
        name: each.name,
        host: each.host,
        protocol: each.protocol,
        ports: [...portsOf(each)],
      })),
      certificateNotAfter: deviceOf(request).notAfter,
      firewall: signedFirewall(parts, deviceOf(request).device),
    }),
  );
}

function describeGateways({
  name,
  zone,
  addresses,
  others = [],
}: ControlParts['gateway']): Pick<AgentConfig, 'gateway' | 'gateways'> {
  const gateway = { name, addresses: [...addresses()] };
  // Agents of the time before there were several know the first alone, and take no member that they do not know.
  if (zone === undefined && others.length === 0) return { gateway };
  return {
    gateway,
    gateways: [
      { ...gateway, ...(zone === undefined ? {} : { zone }) },
      ...others.map((other) => ({ name, ...other, addresses: [...other.addresses] })),
    ],
  };
}
