import { Type } from 'typebox';
import type { Static } from 'typebox';
import { flowClasses } from '../domain/flow.ts';
import { longestSignInSeconds } from '../domain/sign-in.ts';
import { RedisSettings } from './redis-settings.ts';
import { SinkSettings } from './sinks.ts';

/** What one machine runs at most. */
export const maxWorkers = 256;

/** `postern.yaml`, with every default written out by `postern init`: there are no silent ones. */
const strict = { additionalProperties: false } as const;
const Port = Type.Integer({ minimum: 0, maximum: 65_535, description: '0 takes a free one' });
const Host = Type.String({ minLength: 1, maxLength: 253 });
const GatewayAddresses = Type.Array(
  Type.String({
    pattern: '^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9_.-]+):[0-9]{1,5}$',
    description: 'host:port, an IPv6 address in brackets',
  }),
  { minItems: 1, maxItems: 16 },
);
const Zone = Type.String({ pattern: '^[a-z0-9]([a-z0-9-]{0,62})$', description: 'a word' });

const KeepDays = Type.Integer({ minimum: 1, maximum: 36_500 });
const ClaimName = Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_:/.-]{0,199}$' });

/** People sign in with an OpenID Connect provider. Without this section a device's user is the one who enrolled it. */
export const SignInSettings = Type.Object(
  {
    /** As the provider writes it; its endpoints are found by OpenID Connect Discovery. */
    issuer: Type.String({ pattern: '^https://[^\\s?#]+$', maxLength: 500 }),
    clientId: Type.String({ minLength: 1, maxLength: 255 }),
    /** Relative to the data directory; readable by its owner alone. */
    clientSecretFile: Type.String({ minLength: 1 }),
    /** PEM file with authorities that the provider's certificate may be signed by, beside the system's. */
    authorities: Type.Optional(Type.String({ minLength: 1 })),
    /** The one that the client is registered with: a token that says another is refused. */
    idTokenAlgorithm: Type.Enum([
      'RS256',
      'RS384',
      'RS512',
      'PS256',
      'PS384',
      'PS512',
      'ES256',
      'ES384',
      'ES512',
      'EdDSA',
    ]),
    scopes: Type.Array(Type.String({ pattern: '^[!#-\\[\\]-~]{1,200}$' }), { minItems: 1, maxItems: 32 }),
    /** Which claim names the user, and whether its letters count. `email` counts only when it is verified. */
    user: Type.Object({ claim: ClaimName, letters: Type.Enum(['as-they-are', 'lower-case']) }, strict),
    /** Who may sign in on a device: the user who enrolled it, or anybody whom the provider knows. */
    users: Type.Enum(['enrolled', 'any']),
    /** Claims that groups may refer to (`members: { claim, value }`); no other reaches a token. */
    groupClaims: Type.Array(ClaimName, { maxItems: 16 }),
    /** By which `acr` or `amr` (RFC 8176) of the ID token more than one factor is known. `acr` is also asked for. */
    mfa: Type.Object(
      {
        acr: Type.Array(Type.String({ pattern: '^[!-~]{1,200}$' }), { maxItems: 16 }),
        amr: Type.Array(Type.String({ pattern: '^[!-~]{1,200}$' }), { maxItems: 16 }),
      },
      strict,
    ),
    /** How long a sign-in serves at most, before the user has to sign in again. */
    lifetimeSeconds: Type.Integer({ minimum: 600, maximum: longestSignInSeconds }),
    /**
     * For browsers that have the device certificate and no agent: where they reach the control plane to sign in. Without
     * it they are told what is missing, and led nowhere.
     */
    browserUrl: Type.Optional(Type.String({ pattern: '^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?$' })),
    /**
     * Whether people who administer may sign in by a code that they enter on another machine. Not without it: whoever asks
     * for such a code can talk an administrator into entering it, and no certificate binds what comes of it.
     */
    administratorDeviceCode: Type.Optional(Type.Boolean()),
    /** For one question to the provider. */
    timeoutMs: Type.Integer({ minimum: 100, maximum: 20_000 }),
  },
  strict,
);
export type SignInSettings = Static<typeof SignInSettings>;

/** How a scanner is asked, whichever it is. */
const ofScanner = {
  /** As long may nothing move between the scanner and us, its thinking included. */
  timeoutMs: Type.Integer({ minimum: 100, maximum: 600_000 }),
  /** As much of a content is kept back: what is no longer is refused before anybody has any of it. */
  maxHeldBytes: Type.Integer({ minimum: 16_384, maximum: 16_777_216 }),
  /** That a worker has with the scanner at once; a quarter of them for one device. */
  maxScans: Type.Integer({ minimum: 1, maximum: 1024 }),
};

/** Who finds malware in contents. */
export const MalwareScannerSettings = Type.Union([
  Type.Object(
    {
      clamd: Type.String({
        pattern: '^(/[!-~]{1,100}|(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9_.-]{1,253}):[0-9]{1,5})$',
        description: 'path of its socket on this machine, or host:port',
      }),
      ...ofScanner,
    },
    strict,
  ),
  Type.Object(
    {
      icap: Type.String({
        pattern: '^icap://(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9_.-]{1,253})(:[0-9]{1,5})?/[!-~]{0,200}$',
        description: 'icap://host:port/service',
      }),
      ...ofScanner,
    },
    strict,
  ),
]);
export type MalwareScannerSettings = Static<typeof MalwareScannerSettings>;

/** How contents are looked through for protected data. */
export const DataLossScannerSettings = Type.Object(
  {
    /** As much of a content is kept back; what is no longer is refused before anybody has any of it. */
    maxHeldBytes: Type.Integer({ minimum: 16_384, maximum: 16_777_216 }),
    /** As long may a look at a piece of it take. */
    timeoutMs: Type.Integer({ minimum: 100, maximum: 60_000 }),
  },
  strict,
);

export const InspectionSettings = Type.Object(
  {
    /** Folder with the rule files (`*.conf`, `*.data`) of the OWASP Core Rule Set, version 3 or 4. */
    coreRuleSet: Type.String({ minLength: 1 }),
    /** As much of a body is held back and looked at; what is beyond goes on unseen, and its record says so. */
    maxBodyBytes: Type.Integer({ minimum: 1024, maximum: 4_194_304 }),
    /** Of all bodies that a worker holds at once. */
    maxHeldBytes: Type.Integer({ minimum: 1_048_576, maximum: 1_073_741_824 }),
    /** As long may the rules take. */
    timeoutMs: Type.Integer({ minimum: 100, maximum: 60_000 }),
    /** Who finds malware in uploads and downloads. */
    malware: Type.Optional(MalwareScannerSettings),
    /** Looks for personal and bank data in uploads and downloads. */
    dataLoss: Type.Optional(DataLossScannerSettings),
  },
  strict,
);
export type InspectionSettings = Static<typeof InspectionSettings>;

export const Settings = Type.Object(
  {
    version: Type.Literal(1),
    domain: Type.String({ pattern: '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$' }),
    /** Relative to the settings file. */
    data: Type.String(),
    gateway: Type.Object(
      {
        listen: Host,
        port: Port,
        /** Name in the gateway's certificate; agents ask for it by TLS server name. */
        name: Host,
        /** `host:port` under which agents reach it; tried in order. Port 0 stands for the listener's own port. */
        addresses: GatewayAddresses,
        /** Where it stands: agents hold a second session ready in another one. */
        zone: Type.Optional(Zone),
        /** The installation's gateways on other servers, which agents may go to as well. */
        others: Type.Optional(
          Type.Array(
            Type.Object(
              {
                /** In its certificate; the name of this one without. */
                name: Type.Optional(Host),
                zone: Type.Optional(Zone),
                addresses: GatewayAddresses,
              },
              strict,
            ),
            { maxItems: 64 },
          ),
        ),
        workers: Type.Union([Type.Integer({ minimum: 1, maximum: maxWorkers }), Type.Literal('auto')]),
        minTlsVersion: Type.Union([Type.Literal('TLSv1.3'), Type.Literal('TLSv1.2')]),
      },
      strict,
    ),
    control: Type.Object(
      {
        listen: Host,
        port: Port,
        /** DNS names and numeric addresses in the control plane's certificate. */
        names: Type.Array(Host, { minItems: 1, maxItems: 16 }),
        /** Whose operator endpoints can be read under /v1/gateways/ID/; this server's alone, by its name, without. */
        gateways: Type.Optional(
          Type.Array(
            Type.Object(
              {
                id: Type.String({ pattern: '^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$' }),
                operator: Type.String({
                  pattern: '^https?://[A-Za-z0-9.:[\\]-]+$',
                  description: 'such as http://10.0.0.5:9464, no path',
                }),
              },
              strict,
            ),
            { maxItems: 256 },
          ),
        ),
        /** What the routes of administrators take, in requests a minute. */
        rateLimits: Type.Optional(
          Type.Object(
            {
              perAddress: Type.Integer({ minimum: 60 }),
              perAdministrator: Type.Integer({ minimum: 60 }),
            },
            strict,
          ),
        ),
      },
      strict,
    ),
    operator: Type.Object({ listen: Host, port: Port }, strict),
    /** Bounds on what a client may ask of a worker, before and after it is known. */
    limits: Type.Object(
      {
        handshakeTimeoutMs: Type.Integer({ minimum: 100 }),
        headersTimeoutMs: Type.Integer({ minimum: 100 }),
        bodyIdleTimeoutMs: Type.Integer({ minimum: 100 }),
        idleConnectionTimeoutMs: Type.Integer({ minimum: 1000 }),
        maxHeaderBytes: Type.Integer({ minimum: 1024, maximum: 262_144 }),
        maxConnectionsPerAddress: Type.Integer({ minimum: 1 }),
        maxStreamsPerConnection: Type.Integer({ minimum: 1, maximum: 10_000 }),
        dialTimeoutMs: Type.Integer({ minimum: 100 }),
        upstreamHeadersTimeoutMs: Type.Integer({ minimum: 100 }),
        upstreamBodyIdleTimeoutMs: Type.Integer({ minimum: 100 }),
        /** After so long without a datagram either way a UDP flow is over, which itself never says so. Default: two minutes. */
        datagramIdleTimeoutMs: Type.Optional(Type.Integer({ minimum: 100 })),
        upstreamConnectionsPerWorker: Type.Integer({ minimum: 1, maximum: 10_000 }),
        drainTimeoutMs: Type.Integer({ minimum: 0 }),
      },
      strict,
    ),
    /** The user that workers run as, when `postern serve` is started by root. */
    runAs: Type.Optional(
      Type.Object({ uid: Type.Integer({ minimum: 1 }), gid: Type.Integer({ minimum: 1 }) }, strict),
    ),
    /** PEM file with authorities that https upstreams may be signed by, beside the system's. */
    upstreamAuthorities: Type.Optional(Type.String()),
    /** Where the ledger is; in the data directory unless this says otherwise. */
    ledger: Type.Optional(
      Type.Union([
        Type.Object({ embedded: Type.Literal(true) }, strict),
        Type.Object({ redis: RedisSettings }, strict),
      ]),
    ),
    /** How long after the end of its certificate a laptop may still renew it, into quarantine. 30 days without it. */
    renewal: Type.Optional(
      Type.Object({ graceDays: Type.Integer({ minimum: 0, maximum: 365, description: '0: never' }) }, strict),
    ),
    signIn: Type.Optional(SignInSettings),
    /** Whether devices under a device management are let in, whom an RSA authority of their own certifies. Not without it. */
    managedDevices: Type.Optional(Type.Boolean()),
    /** Whether such devices get their certificates by SCEP (RFC 8894). Not without it. */
    scep: Type.Optional(Type.Boolean()),
    /** Where others find the revocation list; it stands in each new device certificate. */
    revocationList: Type.Optional(
      Type.Object({ url: Type.String({ pattern: '^https?://[!-~]{1,240}$' }) }, strict),
    ),
    /** How many people a change of policies, groups, administrators or firewalls takes; one without this section. */
    changes: Type.Optional(
      Type.Object({ approvals: Type.Union([Type.Literal(1), Type.Literal(2)]) }, strict),
    ),
    /** Room for flow records (`flows/` in the data directory). */
    flows: Type.Optional(
      Type.Object(
        {
          /** Of all record files together; what the disk has without it. */
          maxBytes: Type.Optional(Type.Integer({ minimum: 67_108_864 })),
          /** What is kept free on the disk, for refusals, sign-ins and the ledger. 256 MiB without the section. */
          minFreeBytes: Type.Integer({ minimum: 0 }),
          /**
           * Ordinary flows that pass without a record, and are counted, when there is no room. Others are not let in when
           * they cannot be recorded.
           */
          dropAtBound: Type.Array(Type.Enum(flowClasses), { maxItems: flowClasses.length }),
          /** Whether records call people by pseudonyms, which a key for each person is behind. Not without it. */
          pseudonyms: Type.Optional(Type.Boolean()),
          /** How long records are kept; whole days. */
          retention: Type.Optional(
            Type.Object(
              {
                /** Of what was let through: 90 without it. */
                flowsDays: KeepDays,
                /** Of sign-ins, refusals and findings: 365 without it. */
                securityDays: KeepDays,
              },
              strict,
            ),
          ),
        },
        strict,
      ),
    ),
    /** How long it is kept who read what; whole days. 730 without it. */
    accessLog: Type.Optional(Type.Object({ keepDays: KeepDays }, strict)),
    /** Where flow records are delivered to, each on its own: none without it. */
    sinks: Type.Optional(Type.Array(SinkSettings, { maxItems: 32 })),
    /** By what requests are inspected that applications want inspected (`inspect`). Without it they are not. */
    inspection: Type.Optional(InspectionSettings),
    log: Type.Object(
      {
        level: Type.Enum(['debug', 'info', 'warn', 'error', 'silent']),
      },
      strict,
    ),
  },
  strict,
);
export type Settings = Static<typeof Settings>;
