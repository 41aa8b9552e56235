import { isAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import type { AccessFacts } from '../../src/domain/decision.ts';
import { postureCriteria } from '../../src/domain/posture.ts';
import type { Device } from '../../src/domain/device.ts';
import type { Group, Policy } from '../../src/domain/resources.ts';

/**
 * What Cedar itself says of an access under all enforced policies at once, with the whole context: no slices, no
 * keys, no cache, and a context of its own making. For a device in quarantine without the permits that do not speak of it.
 */
export function askFullSet(
  facts: AccessFacts,
  policies: readonly Policy[],
  groups: readonly Group[],
  device: Device,
): { allows: boolean; someFailed: boolean } {
  const { token } = facts.subject;
  const { posture } = token;
  const seconds = Math.floor(facts.now);
  const isMember = ({ members }: Group): boolean =>
    Array.isArray(members)
      ? members.includes(token.user)
      : (token.claims[members.claim] ?? []).includes(members.value);
  const enforced = policies
    .filter(({ mode }) => mode !== 'shadow')
    .flatMap(({ cedar }) => cedar.split(';').filter((text) => text.trim() !== ''))
    .filter((text) => device.state === 'active' || /^\s*forbid|context\.device\.state/.test(text));
  const answer = isAuthorized({
    principal: { type: 'User', id: token.user },
    action: { type: 'Action', id: 'access' },
    resource: { type: 'App', id: facts.app.name },
    context: {
      device: {
        id: device.id,
        state: device.state,
        role: device.role,
        enrolledAgeSeconds: seconds - device.enrolledAt,
      },
      posture: {
        ...Object.fromEntries(postureCriteria.map((name) => [name, posture?.checks[name] === true])),
        unknown: postureCriteria.filter((name) => (posture?.checks[name] ?? 'unknown') === 'unknown'),
        missing: posture === undefined,
        ageSeconds:
          posture === undefined
            ? 9_467_280_000
            : Math.max(0, Math.max(seconds, token.issuedAt) - posture.measuredAt),
        os: posture?.os ?? '',
        osVersion: posture?.osVersion ?? '',
        agentVersion: posture?.agentVersion ?? '',
      },
      signIn: {
        mfa: token.signIn?.mfa ?? false,
        missing: token.signIn === undefined,
        ageSeconds:
          token.signIn === undefined
            ? 9_467_280_000
            : Math.max(0, Math.max(seconds, token.issuedAt) - token.signIn.at),
      },
      request: { method: facts.request.method, path: facts.request.path, host: facts.request.host },
      source: {
        address: { __extn: { fn: 'ip', arg: facts.request.sourceAddress.replace('::ffff:', '') } },
      },
      now: { __extn: { fn: 'datetime', arg: new Date(seconds * 1000).toISOString() } },
    },
    policies: { staticPolicies: enforced.map((text) => `${text};`).join('\n') },
    entities: [
      {
        uid: { type: 'User', id: token.user },
        attrs: {},
        parents: groups.filter(isMember).map(({ name }) => ({ type: 'Group', id: name })),
      },
      {
        uid: { type: 'App', id: facts.app.name },
        attrs: {},
        parents: [{ type: 'Network', id: facts.app.network }],
      },
    ],
  });
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
  const { decision, diagnostics } = answer.response;
  return { allows: decision === 'allow', someFailed: diagnostics.errors.length > 0 };
}
