import { Type } from 'typebox';
import type { Static } from 'typebox';
import { roles, scopePattern } from '../domain/administration.ts';
import { chosenStates, deviceRoles, deviceStates } from '../domain/device.ts';
import { AnyResource } from '../domain/resources.ts';
import { PostureReport } from './posture.ts';

/** Messages of the control plane's API under /v1/, shared by its routes, the `postern` command and the agent. */
const strict = { additionalProperties: false } as const;
const Pem = Type.String({ maxLength: 16_384, description: 'PEM' });
/** What the control plane seals and somebody keeps for it. */
const maxSealedCharacters = 20_000;
const EpochSeconds = Type.Integer({ description: 'epoch seconds' });

/** How a list is asked for piece by piece. Queries are text, and nothing is coerced. */
export const PageQuery = {
  limit: Type.Optional(
    Type.String({ pattern: '^[1-9][0-9]{0,3}$', description: 'at most so many, and 1000' }),
  ),
  cursor: Type.Optional(Type.String({ maxLength: 1024, description: '`next` of the page before' })),
};
export const Next = Type.Optional(
  Type.String({ description: 'cursor of the next page, where there is one' }),
);

// POST /v1/enroll: no client certificate yet; the one-time token is the only proof.
export const EnrollRequest = Type.Object({ token: Type.String({ maxLength: 200 }), csr: Pem }, strict);
export type EnrollRequest = Static<typeof EnrollRequest>;
export const EnrollResponse = Type.Object(
  {
    device: Type.String(),
    user: Type.String(),
    domain: Type.String(),
    /** Leaf first, then the device authority. */
    certificate: Pem,
    /** The root, whose fingerprint the token gave. */
    authority: Pem,
    notAfter: EpochSeconds,
  },
  strict,
);
export type EnrollResponse = Static<typeof EnrollResponse>;

// POST /v1/device/renew, over mTLS.
export const RenewRequest = Type.Object({ csr: Pem }, strict);
export const RenewResponse = Type.Object(
  {
    certificate: Pem,
    notAfter: EpochSeconds,
    /** The certificate before had expired: the device is in quarantine until a person releases it. */
    late: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type RenewResponse = Static<typeof RenewResponse>;

// POST /v1/device/token, over mTLS.
export const TokenRequest = Type.Object(
  {
    posture: Type.Optional(PostureReport),
    /** What the device keeps of its user's sign-in. */
    signIn: Type.Optional(Type.String({ maxLength: maxSealedCharacters })),
  },
  strict,
);
export type TokenRequest = Static<typeof TokenRequest>;
export const TokenResponse = Type.Object(
  { token: Type.String(), expiresAt: EpochSeconds, expiresInSeconds: Type.Integer() },
  strict,
);
export type TokenResponse = Static<typeof TokenResponse>;

// POST /v1/device/sign-in, over mTLS: begins a sign-in of the device's user.
const Wish = {
  /** The user must prove to be there now, whatever session the identity provider has. */
  fresh: Type.Optional(Type.Boolean()),
  /** More than one factor is needed. */
  mfa: Type.Optional(Type.Boolean()),
};
/** Where whoever asks listens for the browser (RFC 8252, section 7.3). */
const LoopbackUri = Type.String({
  pattern: '^http://(127\\.0\\.0\\.1|\\[::1\\]):[1-9][0-9]{0,4}/sign-in$',
});
export const BeginSignInRequest = Type.Union([
  Type.Object(
    {
      flow: Type.Literal('code'),
      redirectUri: LoopbackUri,
      ...Wish,
    },
    strict,
  ),
  /** For a laptop without a browser (RFC 8628). */
  Type.Object({ flow: Type.Literal('device-code'), ...Wish }, strict),
]);
export type BeginSignInRequest = Static<typeof BeginSignInRequest>;
/** Opaque, to be given back when the sign-in is completed. */
const Sealed = Type.String({ maxLength: maxSealedCharacters });
export const BeginSignInResponse = Type.Union([
  Type.Object({ transaction: Sealed, authorizationUrl: Type.String(), expiresAt: EpochSeconds }, strict),
  Type.Object(
    {
      transaction: Sealed,
      userCode: Type.String(),
      verificationUri: Type.String(),
      verificationUriComplete: Type.Optional(Type.String()),
      intervalSeconds: Type.Integer(),
      expiresAt: EpochSeconds,
    },
    strict,
  ),
]);
export type BeginSignInResponse = Static<typeof BeginSignInResponse>;

// POST /v1/device/sign-in/complete, over mTLS.
export const CompleteSignInRequest = Type.Object(
  {
    transaction: Sealed,
    /** Query string of the redirect, as it came. */
    parameters: Type.Optional(Type.String({ maxLength: 8192 })),
  },
  strict,
);
export const CompleteSignInResponse = Type.Union([
  Type.Object({ pending: Type.Literal(true), intervalSeconds: Type.Integer() }, strict),
  Type.Object(
    { signIn: Sealed, user: Type.String(), at: EpochSeconds, mfa: Type.Boolean(), expiresAt: EpochSeconds },
    strict,
  ),
]);
export type CompleteSignInResponse = Static<typeof CompleteSignInResponse>;

// POST /v1/sign-in/administrator: without any proof yet; …/complete takes a CompleteSignInRequest.
export const AdministratorSignInRequest = Type.Union([
  Type.Object({ flow: Type.Literal('code'), redirectUri: LoopbackUri }, strict),
  Type.Object({ flow: Type.Literal('device-code') }, strict),
]);
export const AdministratorSignInResponse = Type.Union([
  Type.Object({ pending: Type.Literal(true), intervalSeconds: Type.Integer() }, strict),
  Type.Object(
    {
      /** For `Authorization: Bearer`. */
      token: Sealed,
      user: Type.String(),
      roles: Type.Array(Type.String()),
      expiresAt: EpochSeconds,
    },
    strict,
  ),
]);

// POST /v1/device/sign-out, over mTLS: ends the sign-in that the device keeps.
export const SignOutRequest = Type.Object({ signIn: Sealed }, strict);
export const SignOutResponse = Type.Object(
  {
    /** False where it was over before. */
    ended: Type.Boolean(),
  },
  strict,
);
export type SignOutResponse = Static<typeof SignOutResponse>;

// POST /v1/device/leave, over mTLS: the device is one of the organization no more.
export const LeaveResponse = Type.Object(
  {
    /** A signed FirewallPolicy (JWS) that says so, for the helper that runs as root: its firewall goes. */
    firewall: Type.String({ maxLength: 200_000 }),
  },
  strict,
);
export type LeaveResponse = Static<typeof LeaveResponse>;

// GET /v1/device/config, over mTLS: what the agent must know to carry flows.
export const AgentConfig = Type.Object(
  {
    domain: Type.String(),
    /** Server name that the gateway's certificate bears, and `host:port` addresses to reach it at. */
    gateway: Type.Object({ name: Type.String(), addresses: Type.Array(Type.String()) }, strict),
    /** All gateways of the installation, that one among them, where there is more to say than its addresses. */
    gateways: Type.Optional(
      Type.Array(
        Type.Object(
          { name: Type.String(), zone: Type.Optional(Type.String()), addresses: Type.Array(Type.String()) },
          strict,
        ),
      ),
    ),
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
    certificateNotAfter: EpochSeconds,
    /** A signed FirewallPolicy (JWS), for the helper that runs as root; the agent only carries it. */
    firewall: Type.Optional(Type.String({ maxLength: 200_000 })),
  },
  strict,
);
export type AgentConfig = Static<typeof AgentConfig>;

// POST /v1/apply
export const ApplyRequest = Type.Object(
  {
    /** Checked one by one against the schema of their kind, so that each problem names its resource. */
    resources: Type.Array(
      Type.Object({ kind: Type.String(), name: Type.String() }, { additionalProperties: true }),
      {
        maxItems: 100_000,
      },
    ),
    prune: Type.Optional(Type.Boolean()),
    dryRun: Type.Optional(Type.Boolean()),
  },
  strict,
);
export const PlannedChange = Type.Object(
  {
    action: Type.Union([
      Type.Literal('create'),
      Type.Literal('update'),
      Type.Literal('delete'),
      Type.Literal('unchanged'),
    ]),
    kind: Type.String(),
    name: Type.String(),
  },
  strict,
);
export type PlannedChange = Static<typeof PlannedChange>;
/** A change that waits for a second administrator. */
export const Waiting = Type.Object({ id: Type.String(), expiresAt: EpochSeconds }, strict);
export const ApplyResponse = Type.Object(
  {
    applied: Type.Boolean(),
    changes: Type.Array(PlannedChange),
    /** Ledger head afterwards. */
    version: Type.String(),
    /** Where nothing was applied yet: the change that a second administrator has to approve. */
    waiting: Type.Optional(Waiting),
    warnings: Type.Array(Type.String()),
  },
  strict,
);
export type ApplyResponse = Static<typeof ApplyResponse>;

// POST /v1/enrollment-tokens
export const CreateEnrollmentTokenRequest = Type.Object(
  {
    user: Type.String({ minLength: 1, maxLength: 254 }),
    ttlSeconds: Type.Optional(Type.Integer({ minimum: 60, maximum: 2_592_000 })),
    role: Type.Optional(Type.Enum(deviceRoles)),
    network: Type.Optional(Type.String()),
    protocol: Type.Optional(Type.Literal('scep', { description: 'makes a challenge for SCEP' })),
  },
  strict,
);
export const CreateEnrollmentTokenResponse = Type.Object(
  { id: Type.String(), token: Type.String(), user: Type.String(), expiresAt: EpochSeconds },
  strict,
);
export type CreateEnrollmentTokenResponse = Static<typeof CreateEnrollmentTokenResponse>;

// /v1/api-keys
const ScopeText = Type.String({ pattern: scopePattern, description: 'such as devices:read' });
export const CreateApiKeyRequest = Type.Object(
  {
    name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' }),
    role: Type.Enum(roles),
    scopes: Type.Optional(Type.Array(ScopeText, { minItems: 1, maxItems: 100 })),
    ttlSeconds: Type.Optional(Type.Integer({ minimum: 60, maximum: 315_360_000 })),
  },
  strict,
);
export const ApiKeyView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    role: Type.Enum(roles),
    scopes: Type.Optional(Type.Array(Type.String())),
    /** Who made it, signed in or by another key; absent where that is not known. */
    person: Type.Optional(Type.String()),
    createdAt: EpochSeconds,
    expiresAt: Type.Optional(EpochSeconds),
    revokedAt: Type.Optional(EpochSeconds),
  },
  strict,
);
export type ApiKeyView = Static<typeof ApiKeyView>;
/** POST /v1/api-keys/revoke: a person, as `ApiKeyView` names who made a key. */
export const RevokeApiKeysRequest = Type.Object(
  { person: Type.String({ minLength: 1, maxLength: 320 }) },
  strict,
);
export const CreateApiKeyResponse = Type.Object({ key: Type.String(), apiKey: ApiKeyView }, strict);

// GET /v1/access-log
export const AccessView = Type.Object(
  {
    at: Type.Integer({ description: 'epoch milliseconds' }),
    actor: Type.String(),
    roles: Type.Array(Type.Enum(roles)),
    /** Numeric; empty where the connection was gone. */
    address: Type.String(),
    operation: Type.String({ description: 'method and route' }),
    target: Type.Record(Type.String(), Type.String(), { description: 'what of it was asked for' }),
    count: Type.Integer({ description: 'how many it showed' }),
    request: Type.String(),
  },
  strict,
);
export type AccessView = Static<typeof AccessView>;
export const AccessLogResponse = Type.Object(
  {
    accesses: Type.Array(AccessView),
    next: Next,
  },
  strict,
);

// POST /v1/devices/:id/state
export const ChangeDeviceStateRequest = Type.Object(
  {
    state: Type.Enum(chosenStates),
    reason: Type.String({ minLength: 1, maxLength: 500 }),
  },
  strict,
);
export const DeviceView = Type.Object(
  {
    id: Type.String(),
    user: Type.String(),
    role: Type.String(),
    network: Type.Optional(Type.String()),
    state: Type.String(),
    reason: Type.Optional(Type.String()),
    changedBy: Type.Optional(Type.String()),
    /** Its key came to it in a bundle. */
    keyMadeElsewhere: Type.Optional(Type.Boolean()),
    /** It becomes active by itself when this has come. */
    awaits: Type.Optional(Type.Union([Type.Literal('posture'), Type.Literal('sign-in')])),
    enrolledAt: EpochSeconds,
    changedAt: EpochSeconds,
    certificates: Type.Array(
      Type.Object(
        {
          serial: Type.String(),
          thumbprint: Type.String(),
          notAfter: EpochSeconds,
          managed: Type.Optional(Type.Boolean()),
        },
        strict,
      ),
    ),
  },
  strict,
);
export type DeviceView = Static<typeof DeviceView>;

// POST /v1/device-bundles
export const MakeBundleRequest = Type.Object(
  { user: Type.String({ minLength: 1, maxLength: 254 }), csr: Pem },
  strict,
);
export const MakeBundleResponse = Type.Object(
  {
    device: Type.String(),
    user: Type.String(),
    /** Leaf first, then the authority of managed devices. */
    certificate: Pem,
    notAfter: EpochSeconds,
  },
  strict,
);

// GET /v1/devices
export const ListDevicesQuery = Type.Object(
  {
    state: Type.Optional(Type.Enum(deviceStates)),
    user: Type.Optional(Type.String({ minLength: 1, maxLength: 254 })),
    ...PageQuery,
  },
  strict,
);

export const ListDevicesResponse = Type.Object({ devices: Type.Array(DeviceView), next: Next }, strict);
export const ListResourcesResponse = Type.Object({ resources: Type.Array(AnyResource), next: Next }, strict);

// GET /v1/devices/:id/history
export const DeviceHistory = Type.Object(
  {
    /** Oldest first. */
    changes: Type.Array(
      Type.Object(
        { at: EpochSeconds, by: Type.String(), state: Type.String(), reason: Type.String() },
        strict,
      ),
    ),
  },
  strict,
);
export type DeviceHistory = Static<typeof DeviceHistory>;
export const ChangeDeviceStateResponse = Type.Object(
  {
    device: DeviceView,
    /** Milliseconds until every worker had applied the change and cut what it ended. */
    enforcedInMs: Type.Number(),
    /** Workers that had not said so in time; empty is the normal case. */
    workersPending: Type.Integer(),
  },
  strict,
);
export type ChangeDeviceStateResponse = Static<typeof ChangeDeviceStateResponse>;

// POST /v1/why
export const WhyRequest = Type.Object(
  {
    /** Who asks; none where the device is a machine. */
    user: Type.Optional(Type.String()),
    device: Type.String(),
    app: Type.String(),
    path: Type.Optional(Type.String({ pattern: '^/' })),
    method: Type.Optional(Type.String()),
    sourceAddress: Type.Optional(Type.String()),
    /** Without it, the posture that the device last sent. */
    posture: Type.Optional(PostureReport),
    /** What the identity provider says of the user; without it nothing, and groups by claim have no members. */
    claims: Type.Optional(
      Type.Array(
        Type.Object(
          {
            claim: Type.String({ minLength: 1, maxLength: 128 }),
            value: Type.String({ minLength: 1, maxLength: 254 }),
          },
          strict,
        ),
        { maxItems: 256 },
      ),
    ),
    /** How the user last signed in; without it, never. */
    signIn: Type.Optional(
      Type.Object(
        { ageSeconds: Type.Integer({ minimum: 0, maximum: 315_360_000 }), mfa: Type.Boolean() },
        strict,
      ),
    ),
  },
  strict,
);
export const WhyResponse = Type.Object(
  {
    effect: Type.Union([Type.Literal('allow'), Type.Literal('deny'), Type.Literal('challenge')]),
    reasons: Type.Array(Type.String()),
    /** Each policy that mattered, and what it said. */
    policies: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          effect: Type.Union([Type.Literal('permit'), Type.Literal('forbid')]),
          /** Whether its scope and conditions held. */
          satisfied: Type.Boolean(),
          mode: Type.String(),
          explanation: Type.String(),
        },
        strict,
      ),
    ),
    /** What would change the answer, in words. */
    wouldChange: Type.Array(Type.String()),
    policyVersion: Type.String(),
    posture: Type.Union([Type.Literal('given'), Type.Literal('last-reported'), Type.Literal('none')]),
    /** Groups that nobody was taken for a member of, since they go by claims and none were given. */
    groupsNotKnown: Type.Array(Type.String()),
  },
  strict,
);
export type WhyResponse = Static<typeof WhyResponse>;

// GET /v1/gateways
export const GatewayList = Type.Object(
  { gateways: Type.Array(Type.Object({ id: Type.String(), operator: Type.String() }, strict)) },
  strict,
);
