import { Type } from 'typebox';
import type { Static } from 'typebox';
import { pseudonymPattern } from './session-token.ts';

/** Messages of the control plane's API about whom records speak of, where they speak of people by pseudonyms. */
const strict = { additionalProperties: false } as const;
const User = Type.String({ minLength: 1, maxLength: 254 });
const Reason = Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\p{Cc}]*$' });
const Pseudonym = Type.String({ pattern: pseudonymPattern });

/** That one request may ask for: each of them is in the access log, in one record. */
export const mostPseudonymsAtOnce = 100;

// POST /v1/people/reidentify
export const ReidentifyRequest = Type.Object(
  { pseudonyms: Type.Array(Pseudonym, { minItems: 1, maxItems: mostPseudonymsAtOnce }), reason: Reason },
  strict,
);
export const ReidentifyResponse = Type.Object(
  {
    /** Without those behind whom there is nobody any more. */
    people: Type.Array(Type.Object({ pseudonym: Pseudonym, user: User }, strict)),
  },
  strict,
);

// POST /v1/people/pseudonyms
export const PseudonymsRequest = Type.Object({ user: User, reason: Reason }, strict);
export const PseudonymsResponse = Type.Object(
  {
    pseudonyms: Type.Array(Pseudonym),
    person: Type.Optional(
      Type.String({ description: 'id of the key, by which the access log and the ledger name the person' }),
    ),
  },
  strict,
);

export type PseudonymsResponse = Static<typeof PseudonymsResponse>;

// POST /v1/people/erase
export const EraseRequest = Type.Object({ user: User, reason: Reason }, strict);
export const EraseResponse = Type.Object(
  { person: Type.String({ description: 'id of the key that was destroyed, as the ledger has it' }) },
  strict,
);
