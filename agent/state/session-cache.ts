import { rmSync } from 'node:fs';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { AgentConfig } from '../../src/contract/control-api.ts';
import { readOwnedFile } from './owned-file.ts';
import { writeFilesAtomically } from './atomic-file.ts';

/**
 * `session.json`: what was last learned from the control plane, so that an agent that is restarted while the control
 * plane is away carries flows until its token ends. The token is bound to the device key that lies beside it.
 */
export const SessionCache = Type.Object(
  {
    config: AgentConfig,
    token: Type.Optional(
      Type.Object(
        {
          value: Type.String({ minLength: 1, maxLength: 16_384 }),
          /** The certificate that it is bound to. */
          thumbprint: Type.String(),
          /** Epoch seconds. */
          receivedAt: Type.Integer(),
          expiresAt: Type.Integer(),
          lifeSeconds: Type.Integer({ minimum: 1 }),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
export type SessionCache = Static<typeof SessionCache>;

/** Undefined where there is none or it cannot be read: a cache is never a reason not to start. */
export function loadSessionCache(path: string): SessionCache | undefined {
  try {
    const value: unknown = JSON.parse(readOwnedFile(path, 'secret') ?? 'null');
    return Value.Check(SessionCache, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function saveSessionCache(path: string, cache: SessionCache): void {
  writeFilesAtomically([{ path, content: `${JSON.stringify(cache)}\n` }]);
}

export const removeSessionCache = (path: string): void => rmSync(path, { force: true });
