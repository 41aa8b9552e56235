import { Type } from 'typebox';
import type { Static } from 'typebox';
import { listenProblems } from './intercept/listen-problem.ts';
import { FirewallState } from './firewall/published-firewall.ts';
import { PostureChecks } from '../src/contract/posture.ts';

/** What `postern-agent status -o json` prints; scripts rely on it. Times are epoch seconds. */
const strict = { additionalProperties: false } as const;
const Seconds = Type.Integer();

const Leg = Type.Object(
  {
    ok: Type.Boolean(),
    /** Milliseconds that the answer took. */
    ms: Type.Optional(Type.Number()),
    /** Why not: a code of refusal where there is one, and a sentence. */
    code: Type.Optional(Type.String()),
    reason: Type.Optional(Type.String()),
  },
  strict,
);
export type Leg = Static<typeof Leg>;

const Gateway = Type.Object(
  { name: Type.String(), address: Type.String(), zone: Type.Optional(Type.String()), since: Seconds },
  strict,
);

export const AgentStatus = Type.Object(
  {
    /** `connected` only when the probe of this very status went through. */
    state: Type.String(),
    reason: Type.Optional(Type.String()),
    /** The network wants a sign-in of its own first, at this address. */
    portal: Type.Optional(Type.Object({ url: Type.String() }, strict)),
    device: Type.String(),
    /** Who enrolled this laptop. */
    user: Type.String(),
    /** Who is signed in on it now; absent where nobody is, or nobody has to be. */
    signedIn: Type.Optional(Type.Object({ user: Type.String(), until: Seconds }, strict)),
    domain: Type.String(),
    proxy: Type.String(),
    probe: Type.Object({ control: Leg, gateway: Leg }, strict),
    gateway: Type.Optional(Gateway),
    /** A second session that is ready to take over, in another zone where there is one. */
    standby: Type.Optional(Gateway),
    /** How many gateways the control plane named. */
    gatewaysNamed: Type.Integer({ minimum: 0 }),
    tokenExpiresAt: Type.Optional(Seconds),
    certificateExpiresAt: Seconds,
    /** Where the key of this laptop lies. */
    key: Type.Enum(['tpm', 'file']),
    posture: Type.Optional(
      Type.Object({ checks: PostureChecks, reasons: Type.Record(Type.String(), Type.String()) }, strict),
    ),
    /** Where the helper that runs as root keeps one. */
    firewall: Type.Optional(FirewallState),
    apps: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          host: Type.String(),
          protocol: Type.String(),
          ports: Type.Array(Type.Integer()),
        },
        strict,
      ),
    ),
    /** Where `intercept: loopback` is set: where names and applications are answered on this laptop. */
    intercept: Type.Optional(
      Type.Object(
        {
          /** `address:port` of the resolver. */
          resolver: Type.String(),
          hosts: Type.Array(
            Type.Object(
              { host: Type.String(), address: Type.String(), ports: Type.Array(Type.Integer()) },
              strict,
            ),
          ),
          /** What could not be opened, and why; without a host it is the resolver. */
          problems: Type.Array(
            Type.Object(
              {
                place: Type.String(),
                host: Type.Optional(Type.String()),
                problem: Type.Enum(listenProblems),
              },
              strict,
            ),
          ),
        },
        strict,
      ),
    ),
    lastRefusal: Type.Optional(
      Type.Object(
        {
          code: Type.String(),
          title: Type.String(),
          help: Type.Optional(Type.String()),
          flowId: Type.Optional(Type.String()),
          at: Seconds,
        },
        strict,
      ),
    ),
  },
  strict,
);
export type AgentStatus = Static<typeof AgentStatus>;
