import { Type } from 'typebox';
import type { Static } from 'typebox';
import { AnyResource } from '../domain/resources.ts';
import { PlannedChange } from './control-api.ts';

/** Messages of the API about earlier states of the resources. */
const strict = { additionalProperties: false } as const;
const EpochSeconds = Type.Integer({ description: 'epoch seconds' });

// GET /v1/versions: what changed resources, the newest first.
export const ResourceVersions = Type.Object(
  {
    versions: Type.Array(
      Type.Object(
        {
          /** The ledger head that it led to. */
          version: Type.String(),
          sequence: Type.Integer(),
          at: EpochSeconds,
          actor: Type.String(),
          /** Where a second administrator approved it: who asked for it. */
          proposedBy: Type.Optional(Type.String()),
          /** The first hundred. */
          changes: Type.Array(PlannedChange),
          changeCount: Type.Integer(),
        },
        strict,
      ),
    ),
  },
  strict,
);
export type ResourceVersions = Static<typeof ResourceVersions>;

// GET /v1/versions/:version: all resources as they were then.
export const ResourcesAtVersion = Type.Object(
  { version: Type.String(), at: EpochSeconds, actor: Type.String(), resources: Type.Array(AnyResource) },
  strict,
);
export type ResourcesAtVersion = Static<typeof ResourcesAtVersion>;

// POST /v1/versions/:version/rollback: the policies of then, checked against the apps and groups of now.
export const RollbackRequest = Type.Object({ dryRun: Type.Optional(Type.Boolean()) }, strict);
