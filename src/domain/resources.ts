import { Type } from 'typebox';
import type { Static } from 'typebox';
import { roles } from './administration.ts';
import type { DataKind } from './data-kinds.ts';
import { resourceNamePattern } from './ids.ts';

/**
 * The declarative resources of `postern apply`, as the ledger keeps them and as people write them.
 * Objects refuse unknown keys. What a schema cannot say (references, addresses) is checked in check-resources.ts.
 */
const strict = { additionalProperties: false } as const;
const Name = Type.String({ pattern: resourceNamePattern, description: 'RFC 1123 label' });
const IpAddress = Type.String({ minLength: 2, maxLength: 45, description: 'numeric IPv4 or IPv6 address' });

export const Attach = Type.Union([
  Type.Object({ netns: Type.String({ pattern: '^[A-Za-z0-9_.-]{1,64}$' }) }, strict),
  Type.Object({ connector: Type.Literal('remote') }, strict),
  Type.Object({ sourceAddress: IpAddress }, strict),
  Type.Object({ direct: Type.Literal(true) }, strict),
]);
export type Attach = Static<typeof Attach>;

export const Network = Type.Object(
  {
    kind: Type.Literal('Network'),
    name: Name,
    attach: Attach,
    dns: Type.Optional(Type.Array(IpAddress, { maxItems: 3 })),
  },
  strict,
);
export type Network = Static<typeof Network>;

export const appProtocols = ['http', 'tcp', 'tls', 'ssh', 'rdp', 'postgres', 'udp'] as const;
export type AppProtocol = (typeof appProtocols)[number];

/** Rules that an application does without: by id, under some paths, of some arguments. */
const WafExclusion = Type.Object(
  {
    rules: Type.Optional(
      Type.Array(
        Type.Union([
          Type.Integer({ minimum: 1, maximum: 999_999_999 }),
          Type.String({ pattern: '^[0-9]{1,9}-[0-9]{1,9}$', description: 'a range such as 942000-942999' }),
        ]),
        { minItems: 1, maxItems: 256 },
      ),
    ),
    paths: Type.Optional(
      Type.Array(
        Type.String({ pattern: '^/[^*?#]*\\*?$', maxLength: 1024, description: 'a path, or /begin/*' }),
        {
          minItems: 1,
          maxItems: 64,
        },
      ),
    ),
    arguments: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { minItems: 1, maxItems: 64 }),
    ),
  },
  strict,
);

export const WafSettings = Type.Object(
  {
    /** `detect` records what `block` would refuse, and is what holds without it. */
    mode: Type.Optional(Type.Enum(['detect', 'block'])),
    /** How much is suspected; 1 without it. */
    paranoia: Type.Optional(Type.Integer({ minimum: 1, maximum: 4 })),
    /** The score from which on a request counts as an attack; 5 without it, which is one critical rule. */
    threshold: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    /** In mode `block`: what becomes of bodies beyond the bound, whose end nobody looks at; `pass` without it. */
    whenTooLarge: Type.Optional(Type.Enum(['pass', 'refuse'])),
    exclude: Type.Optional(Type.Array(WafExclusion, { maxItems: 128 })),
  },
  strict,
);
export type WafSettings = Static<typeof WafSettings>;

const HostName = Type.String({
  description: 'lower-case ASCII DNS name',
  pattern: '^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$',
});

export const ProtocolCheckSettings = Type.Object(
  {
    /** `block` cuts a tunnel that is not what it should be, and holds without it; `record` only says so. */
    mode: Type.Optional(Type.Enum(['block', 'record'])),
    /** What a tcp or udp application speaks, which its `protocol` does not say. */
    expect: Type.Optional(Type.Enum(['tls', 'ssh', 'rdp', 'postgres', 'smb', 'http', 'dns'])),
    /** Names that TLS clients may ask for beside the application's host. */
    serverNames: Type.Optional(Type.Array(HostName, { minItems: 1, maxItems: 64 })),
  },
  strict,
);
export type ProtocolCheckSettings = Static<typeof ProtocolCheckSettings>;

export const MalwareSettings = Type.Object(
  {
    /** Which way contents are scanned; both without it. */
    scan: Type.Optional(
      Type.Array(Type.Enum(['uploads', 'downloads']), { minItems: 1, maxItems: 2, uniqueItems: true }),
    ),
    /** Of one content, unpacked as HTTP packs it. What is longer cannot be scanned; 25 MiB without it. */
    maxBytes: Type.Optional(Type.Integer({ minimum: 1024, maximum: 4_294_967_296 })),
    /** What becomes of contents while the scanner is away; `refuse` without it. */
    whenUnavailable: Type.Optional(Type.Enum(['refuse', 'pass'])),
    /** What becomes of contents that no scanner can look at as a whole; `refuse` without it. */
    whenUnscannable: Type.Optional(Type.Enum(['refuse', 'pass'])),
  },
  strict,
);
export type MalwareSettings = Static<typeof MalwareSettings>;

const Threshold = Type.Integer({ minimum: 0, maximum: 1_000_000 });

export const DataLossSettings = Type.Object(
  {
    /** `block` stops a content that reaches a threshold; `record` only says so, and holds without it. */
    mode: Type.Optional(Type.Enum(['record', 'block'])),
    /** Which way contents are looked at; both without it. */
    directions: Type.Optional(
      Type.Array(Type.Enum(['uploads', 'downloads']), { minItems: 1, maxItems: 2, uniqueItems: true }),
    ),
    /** From so many different ones in one content on it counts as a loss; 0: this kind is not looked for. */
    thresholds: Type.Optional(
      Type.Object(
        {
          iban: Type.Optional(Threshold),
          card: Type.Optional(Threshold),
          nir: Type.Optional(Threshold),
          email: Type.Optional(Threshold),
        } satisfies Record<DataKind, unknown>,
        strict,
      ),
    ),
    patterns: Type.Optional(
      Type.Array(
        Type.Object(
          {
            /** By which records and findings count it. */
            name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' }),
            /** In the syntax of RE2. */
            pattern: Type.String({ minLength: 1, maxLength: 512 }),
            /** 1 without it. */
            threshold: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
            /** Of what it finds, in characters; what is longer is not counted. 256 without it. */
            maxLength: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
          },
          strict,
        ),
        { minItems: 1, maxItems: 8 },
      ),
    ),
  },
  strict,
);
export type DataLossSettings = Static<typeof DataLossSettings>;

export const App = Type.Object(
  {
    kind: Type.Literal('App'),
    name: Name,
    network: Name,
    host: Type.String({ ...HostName, description: 'what people type; lower-case ASCII DNS name' }),
    protocol: Type.Enum(appProtocols),
    /** Whether the first bytes of its tunnels are what it speaks, for applications other than http. */
    protocolCheck: Type.Optional(ProtocolCheckSettings),
    ports: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1, maximum: 65535 }), { minItems: 1, maxItems: 64 }),
    ),
    upstreams: Type.Array(
      Type.String({ pattern: '^(http|https|tcp|udp)://', description: 'scheme://host:port, no path' }),
      { minItems: 1, maxItems: 64 },
    ),
    health: Type.Optional(
      Type.Object(
        {
          path: Type.String({ pattern: '^/' }),
          every: Type.String({ pattern: '^[0-9]+(ms|s|m)$', description: 'such as 5s' }),
        },
        strict,
      ),
    ),
    /** How requests are inspected, where `inspect` has `waf`. */
    waf: Type.Optional(WafSettings),
    /** How contents are scanned, where `inspect` has `malware`. */
    malware: Type.Optional(MalwareSettings),
    /** What contents are looked through for, where `inspect` has `dlp`. */
    dataLoss: Type.Optional(DataLossSettings),
    inspect: Type.Optional(
      Type.Array(Type.Union([Type.Literal('waf'), Type.Literal('malware'), Type.Literal('dlp')]), {
        maxItems: 3,
      }),
    ),
  },
  strict,
);
export type App = Static<typeof App>;

/** Users by name, or by a claim that the identity provider makes about them. */
const Members = Type.Union([
  Type.Array(Type.String({ minLength: 1, maxLength: 254 }), { maxItems: 100_000 }),
  Type.Object({ claim: Type.String({ minLength: 1 }), value: Type.String({ minLength: 1 }) }, strict),
]);

export const Group = Type.Object({ kind: Type.Literal('Group'), name: Name, members: Members }, strict);
export type Group = Static<typeof Group>;

export const Policy = Type.Object(
  {
    kind: Type.Literal('Policy'),
    name: Name,
    mode: Type.Optional(Type.Union([Type.Literal('enforce'), Type.Literal('shadow')])),
    cedar: Type.String({ minLength: 1, maxLength: 65_536, description: 'Cedar policy text' }),
  },
  strict,
);
export type Policy = Static<typeof Policy>;

/** People who administer: what signs them in says who they are, this says what they may do. */
export const Administrator = Type.Object(
  {
    kind: Type.Literal('Administrator'),
    name: Name,
    role: Type.Enum(roles),
    members: Members,
  },
  strict,
);
export type Administrator = Static<typeof Administrator>;

const FirewallRule = Type.Object(
  {
    protocol: Type.Enum(['tcp', 'udp']),
    ports: Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), { minItems: 1, maxItems: 64 }),
    /** The other side; anybody without it. */
    addresses: Type.Optional(
      Type.Array(
        Type.String({
          pattern: '^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$',
          description: 'numeric address, or network as 10.0.0.0/8',
        }),
        { minItems: 1, maxItems: 64 },
      ),
    ),
  },
  strict,
);
export type FirewallRule = Static<typeof FirewallRule>;

/** What laptops let in and out, whatever network they are in. */
export const Firewall = Type.Object(
  {
    kind: Type.Literal('Firewall'),
    name: Name,
    /** For the devices of their members; for all others without it. */
    groups: Type.Optional(Type.Array(Name, { minItems: 1, maxItems: 64 })),
    /** All else is refused. */
    inbound: Type.Array(FirewallRule, { maxItems: 64 }),
    /** Without it everything may go out; with it this, the gateways, the control plane, DHCP and DNS. */
    outbound: Type.Optional(Type.Array(FirewallRule, { maxItems: 64 })),
  },
  strict,
);
export type Firewall = Static<typeof Firewall>;

export const resourceSchemas = { Network, App, Group, Policy, Administrator, Firewall } as const;
export const AnyResource = Type.Union([Network, App, Group, Policy, Administrator, Firewall]);
export type ResourceKind = keyof typeof resourceSchemas;
export const resourceKinds = Object.keys(resourceSchemas) as ResourceKind[];
export type Resource = Network | App | Group | Policy | Administrator | Firewall;
