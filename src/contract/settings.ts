import { Type } from 'typebox';
import type { Static } from 'typebox';

/** What one machine runs at most. */
export const maxWorkers = 256;

/** `postern.yaml`, with every default written out by `postern init`: there are no silent ones. */
const strict = { additionalProperties: false } as const;
const Port = Type.Integer({ minimum: 0, maximum: 65_535, description: '0 takes a free one' });
const Host = Type.String({ minLength: 1, maxLength: 253 });

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
        addresses: Type.Array(Type.String(), { minItems: 1, maxItems: 16 }),
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
