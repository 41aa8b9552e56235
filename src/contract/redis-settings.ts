import { Type } from 'typebox';
import type { Static } from 'typebox';

const strict = { additionalProperties: false } as const;

const RedisUrl = Type.String({
  pattern: '^rediss?://(\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[0-9]{1,3})?$',
  description: 'redis://HOST:PORT, or rediss:// for TLS; the user and password are settings of their own',
});
const RedisUrls = Type.Array(RedisUrl, { minItems: 1, maxItems: 16 });

/** A Redis: one of `url`, `sentinels` with `master`, and `cluster`. Files are relative to the settings file. */
export const RedisSettings = Type.Object(
  {
    url: Type.Optional(RedisUrl),
    sentinels: Type.Optional(RedisUrls),
    /** What the sentinels call it. */
    master: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    cluster: Type.Optional(RedisUrls),
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    /** Its first line is the password. */
    passwordFile: Type.Optional(Type.String({ minLength: 1 })),
    sentinelUsername: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    sentinelPasswordFile: Type.Optional(Type.String({ minLength: 1 })),
    /** PEM, instead of the system's authorities. */
    caFile: Type.Optional(Type.String({ minLength: 1 })),
    /** Names the installation among others in one Redis. */
    prefix: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$', description: 'a word for our keys' }),
    /** Replicas that must have a change before it is acknowledged. */
    waitForReplicas: Type.Optional(Type.Integer({ minimum: 0, maximum: 16 })),
  },
  strict,
);
export type RedisSettings = Static<typeof RedisSettings>;
