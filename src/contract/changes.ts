import { Type } from 'typebox';
import type { Static } from 'typebox';
import { AnyResource } from '../domain/resources.ts';
import { PlannedChange } from './control-api.ts';

/** Messages of the API about changes that wait for a second administrator. */
const strict = { additionalProperties: false } as const;
const EpochSeconds = Type.Integer({ description: 'epoch seconds' });

const summary = {
  id: Type.String(),
  proposedBy: Type.String(),
  /** The person behind that. Without it nobody can approve. */
  person: Type.Optional(Type.String()),
  proposedAt: EpochSeconds,
  expiresAt: EpochSeconds,
  changes: Type.Array(PlannedChange),
};

// GET /v1/changes
export const PendingChange = Type.Object(summary, strict);
export type PendingChange = Static<typeof PendingChange>;
export const PendingChanges = Type.Object({ changes: Type.Array(PendingChange) }, strict);

// GET /v1/changes/:id: with the resources that it would put in place.
export const PendingChangeDetail = Type.Object({ ...summary, resources: Type.Array(AnyResource) }, strict);
export type PendingChangeDetail = Static<typeof PendingChangeDetail>;

// POST /v1/changes/:id/reject
export const RejectChangeRequest = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 500 }) },
  strict,
);
export const RejectChangeResponse = Type.Object({ id: Type.String() }, strict);
