import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Firewall } from '../domain/resources.ts';
export type { FirewallRule } from '../domain/resources.ts';

/**
 * What the control plane signs for one device, as a compact JWS with its certificate in `x5c` (RFC 7515): the helper that
 * runs as root believes this and nothing else, so whoever has the agent cannot open the firewall.
 */
export const firewallPolicyType = 'postern-firewall+jwt';
export const firewallAudience = 'postern-firewall-helper';

export const FirewallPolicy = Type.Object(
  {
    iss: Type.String(),
    aud: Type.Literal(firewallAudience),
    /** The device: what is for one laptop is not for another. */
    sub: Type.String({ minLength: 1, maxLength: 64 }),
    /** Epoch seconds. An earlier one never replaces a later one. */
    iat: Type.Integer({ minimum: 0 }),
    /** Null where there is to be none. */
    firewall: Type.Union([
      Type.Null(),
      Type.Object(
        {
          name: Firewall.properties.name,
          inbound: Firewall.properties.inbound,
          outbound: Firewall.properties.outbound,
        },
        { additionalProperties: false },
      ),
    ]),
    /** The device has left the organization: whoever believed this one's word does so no more. */
    left: Type.Optional(Type.Literal(true)),
    /** `host:port` of the gateways of all zones, which may always be reached; as many as the settings can name. */
    gateways: Type.Array(Type.String({ maxLength: 300 }), { maxItems: 1040 }),
  },
  { additionalProperties: false },
);
export type FirewallPolicy = Static<typeof FirewallPolicy>;
