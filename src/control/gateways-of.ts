import type { Settings } from '../contract/settings.ts';
import type { GatewayAddress } from './api/control-parts.ts';

/**
 * The gateways whose operator endpoints this control plane passes on. `port` is where this server's own listen.
 */
export function gatewaysOf(
  { control, gateway, operator }: Settings,
  port: number,
): readonly GatewayAddress[] {
  // A wildcard is where it listens, not where anyone connects to.
  const host = ['0.0.0.0', '::', ''].includes(operator.listen) ? '127.0.0.1' : operator.listen;
  const own = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return control.gateways ?? [{ id: gateway.name, operator: own }];
}
