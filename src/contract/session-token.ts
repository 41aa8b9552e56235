import { Type } from 'typebox';
import type { Static } from 'typebox';
import { ReportedChecks, ReportedFacts } from './posture.ts';

/** Claims of a session token (RFC 7519), bound to a device certificate by `cnf.x5t#S256` (RFC 8705, section 3.1). */
export const sessionTokenType = 'postern-session+jwt';
export const sessionAudience = 'postern-gateway';
export const sessionTokenLifetimeSeconds = 600;

export const assertionTokenType = 'postern-assertion+jwt';
export const assertionLifetimeSeconds = 60;

/** `iss` of every token of an organisation. */
export const tokenIssuer = (domain: string): string => `spiffe://${domain}/control`;

/** Month, and what a key of the person and one of that month make of them: 130 bits, base32. */
export const pseudonymPattern = '^p-[0-9]{4}-[0-9]{2}-[a-z2-7]{26}$';

const pseudonym = new RegExp(pseudonymPattern);
export const isPseudonym = (text: string): boolean => pseudonym.test(text);

const strict = { additionalProperties: false } as const;

export const SessionClaims = Type.Object(
  {
    iss: Type.String(),
    aud: Type.Literal(sessionAudience),
    sub: Type.String({ minLength: 1, maxLength: 254 }),
    jti: Type.String({ minLength: 16, maxLength: 64 }),
    iat: Type.Integer(),
    exp: Type.Integer(),
    /** What records call the user; absent where they have the name. */
    pseudonym: Type.Optional(Type.String({ pattern: pseudonymPattern })),
    device: Type.String(),
    cnf: Type.Object({ 'x5t#S256': Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }) }, strict),
    /** Claims of the identity provider that groups may refer to, such as `groups`. */
    claims: Type.Record(Type.String(), Type.Array(Type.String())),
    /** The interactive sign-in that the token stems from; absent where the user never signed in so. */
    signIn: Type.Optional(
      Type.Object(
        {
          id: Type.String({ minLength: 1, maxLength: 128 }),
          at: Type.Integer({ minimum: 0, description: 'epoch seconds' }),
          mfa: Type.Boolean(),
        },
        strict,
      ),
    ),
    posture: Type.Optional(
      Type.Object(
        {
          measuredAt: Type.Integer(),
          ...ReportedFacts,
          checks: ReportedChecks,
        },
        strict,
      ),
    ),
  },
  strict,
);
export type SessionClaims = Static<typeof SessionClaims>;
