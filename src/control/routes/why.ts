import { WhyRequest, WhyResponse } from '../../contract/control-api.ts';
import { GatewayError } from '../../contract/gateway-error.ts';
import { anyRole } from '../../domain/administration.ts';
import type { ControlState } from '../../domain/control-state.ts';
import type { Device } from '../../domain/device.ts';
import type { AppName, DeviceId, UserName } from '../../domain/ids.ts';
import { machineName } from '../../domain/subject.ts';
import type { VerifiedToken } from '../../domain/subject.ts';
import { nowSeconds } from '../api/control-parts.ts';
import type { ControlApp, ControlParts } from '../api/control-parts.ts';
import { hypotheticalSubject } from '../hypothetical-subject.ts';
import { acceptPosture } from '../devices/posture-report.ts';

/** POST /v1/why: the decision as a gateway would make it now, with what led to it and what would change it. */
export function whyRoute(app: ControlApp, parts: ControlParts): void {
  app.post(
    '/v1/why',
    {
      config: { roles: anyRole, scope: 'policies:read', refusals: ['not-found'] },
      schema: {
        summary: 'Why a user on a device may or may not use an application',
        tags: ['policies'],
        body: WhyRequest,
        response: { 200: WhyResponse },
      },
    },
    async (request) => {
      const { user, device: id, app: name, path, method, sourceAddress, posture: report } = request.body;
      const { signIn, claims = [] } = request.body;
      request.readTarget = { ...(user === undefined ? {} : { user }), device: id, app: name };
      const now = nowSeconds(parts);
      const device = parts.store.state.devices.get(id as DeviceId);
      const application = parts.store.state.apps.get(name as AppName);
      const problems = [
        ...(device === undefined ? [`device: there is none of the id ${id}`] : []),
        ...(application === undefined ? [`app: there is none of the name ${name}`] : []),
      ];
      if (device === undefined || application === undefined)
        throw new GatewayError('not-found', { problems });
      const asker = whoAsks(device, user, parts.store.state.domain);
      const last = await parts.postures.recall(device.id);
      const posture = report === undefined ? last : acceptPosture(report, now);
      const isHttp = application.protocol === 'http';
      const { effect, reasons, policies, wouldChange, policyVersion } = parts.engine.explain({
        subject: hypotheticalSubject(device, {
          user: asker,
          posture,
          claims: valuesByClaim(claims),
          signIn: signIn && { id: 'hypothetical', at: now - signIn.ageSeconds, mfa: signIn.mfa },
          now,
        }),
        app: application,
        request: {
          method: method ?? (isHttp ? 'GET' : 'CONNECT'),
          path: path ?? (isHttp ? '/' : ''),
          host: application.host,
          // No place in particular: a policy that asks for one does not hold.
          sourceAddress: sourceAddress ?? '0.0.0.0',
        },
        now,
      });
      const origin =
        report !== undefined
          ? ('given' as const)
          : last === undefined
            ? ('none' as const)
            : ('last-reported' as const);
      return {
        effect,
        reasons: [...reasons],
        policies: policies.map((policy) => ({ ...policy })),
        wouldChange: [...wouldChange],
        policyVersion,
        posture: origin,
        groupsNotKnown:
          device.role === 'machine' || claims.length > 0 ? [] : groupsByClaim(parts.store.state),
      };
    },
  );
}

function valuesByClaim(
  claims: readonly { readonly claim: string; readonly value: string }[],
): VerifiedToken['claims'] {
  const values: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const { claim, value } of claims) (values[claim] ??= []).push(value);
  return values;
}

const groupsByClaim = ({ groups }: ControlState): string[] =>
  [...groups.values()].filter(({ members }) => !Array.isArray(members)).map(({ name }) => name);

/** The user that was named, or the machine itself. */
function whoAsks(device: Device, user: string | undefined, domain: string): UserName {
  if (device.role === 'machine') {
    if (user === undefined) return machineName(domain, device.id);
    throw new GatewayError('invalid-input', {
      problems: [`user: ${device.id} is a machine, on which nobody signs in; leave it out`],
    });
  }
  if (user !== undefined) return user as UserName;
  throw new GatewayError('invalid-input', {
    problems: [`user: ${device.id} is a ${device.role}; say whose`],
  });
}
