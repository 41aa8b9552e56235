import { createPrivateKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { firewallAudience, firewallPolicyType } from '../../contract/firewall-policy.ts';
import type { FirewallPolicy } from '../../contract/firewall-policy.ts';
import { tokenIssuer } from '../../contract/session-token.ts';
import { chooseFirewall } from '../../domain/choose-firewall.ts';
import type { DeviceId } from '../../domain/ids.ts';
import { nowSeconds } from '../api/control-parts.ts';
import { everyGateway } from '../every-gateway.ts';
import type { ControlParts } from '../api/control-parts.ts';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const keys = new Map<string, KeyObject>();
/** The same one for a month. */
function keyOf(pem: string): KeyObject {
  const known = keys.get(pem);
  if (known !== undefined) return known;
  keys.clear();
  const key = createPrivateKey(pem);
  keys.set(pem, key);
  return key;
}

/** Leaf and authority, without the root, which whoever verifies has. */
const chainOf = (pem: string): string[] =>
  [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g)]
    .slice(0, 2)
    .map(([, body = '']) => body.replaceAll(/\s/g, ''));

type SigningParts = Pick<ControlParts, 'store' | 'gateway' | 'policySigner' | 'clock'>;

/** The firewall of a device as it has to be now, signed; also that there is to be none. */
export function signedFirewall(parts: SigningParts, id: DeviceId): string {
  const { state } = parts.store;
  const { addresses } = parts.gateway;
  const device = state.devices.get(id);
  const chosen = device === undefined ? undefined : chooseFirewall(state, device);
  return signPolicy(parts, {
    ...claimsOf(parts, id),
    firewall:
      chosen === undefined
        ? null
        : {
            name: chosen.name,
            inbound: chosen.inbound,
            ...(chosen.outbound === undefined ? {} : { outbound: chosen.outbound }),
          },
    // All that the laptop may go to: the one in another zone most of all, once its own is dead.
    gateways: [...everyGateway(addresses(), parts.gateway)],
  });
}

/** That a device has left, and no firewall of ours is to stay on it. Only for one that is revoked: it is for ever. */
export const signedLeave = (parts: SigningParts, id: DeviceId): string =>
  signPolicy(parts, { ...claimsOf(parts, id), firewall: null, left: true, gateways: [] });

const claimsOf = (
  parts: SigningParts,
  id: DeviceId,
): Pick<FirewallPolicy, 'iss' | 'aud' | 'sub' | 'iat'> => ({
  iss: tokenIssuer(parts.store.state.domain),
  aud: firewallAudience,
  sub: id,
  iat: nowSeconds(parts),
});

function signPolicy(parts: SigningParts, policy: FirewallPolicy): string {
  const { chainPem, keyPem } = parts.policySigner();
  const header = { alg: 'ES256', typ: firewallPolicyType, x5c: chainOf(chainPem) };
  const signed = `${encode(header)}.${encode(policy)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: keyOf(keyPem), dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}
