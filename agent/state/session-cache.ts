import { rmSync } from 'node:fs';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { AgentConfig } from '../../src/contract/control-api.ts';
import { openSealed, sealForKey } from '../keys/seal.ts';
import { readOwnedFile } from './owned-file.ts';
import { writeFilesAtomically } from './atomic-file.ts';

const tokenFacts = {
  /** The certificate that it is bound to. */
  thumbprint: Type.String(),
  /** Epoch seconds. */
  receivedAt: Type.Integer(),
  expiresAt: Type.Integer(),
  lifeSeconds: Type.Integer({ minimum: 1 }),
};

/** `session.json`: no token is ever on the disk in the clear, so it is sealed for the device key. */
const StoredCache = Type.Object(
  {
    config: AgentConfig,
    token: Type.Optional(
      Type.Object(
        { sealed: Type.String({ minLength: 1, maxLength: 32_768 }), ...tokenFacts },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
type StoredCache = Static<typeof StoredCache>;

/**
 * What was last learned from the control plane, so that an agent that is restarted while the control plane is away
 * carries flows until its token ends.
 */
export interface SessionCache {
  readonly config: AgentConfig;
  readonly token?:
    | ({ readonly value: string } & Omit<NonNullable<StoredCache['token']>, 'sealed'>)
    | undefined;
}

/**
 * Undefined where there is none or it cannot be read, and without the token where the device key does not open it: a
 * cache is never a reason not to start.
 */
export async function loadSessionCache(path: string, keyPem: string): Promise<SessionCache | undefined> {
  const stored = readStored(path);
  if (stored?.token === undefined) return stored === undefined ? undefined : { config: stored.config };
  const { sealed, ...facts } = stored.token;
  const value = await openSealed(keyPem, sealed).catch(() => undefined);
  return { config: stored.config, ...(value === undefined ? {} : { token: { value, ...facts } }) };
}

function readStored(path: string): StoredCache | undefined {
  try {
    const value: unknown = JSON.parse(readOwnedFile(path, 'secret') ?? 'null');
    return Value.Check(StoredCache, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** @param keyPem of the device, for which the token is sealed. */
export function saveSessionCache(path: string, { config, token }: SessionCache, keyPem: string): void {
  const stored: StoredCache = { config };
  if (token !== undefined) {
    const { value, ...facts } = token;
    stored.token = { sealed: sealForKey(keyPem, value), ...facts };
  }
  writeFilesAtomically([{ path, content: `${JSON.stringify(stored)}\n` }]);
}

export const removeSessionCache = (path: string): void => rmSync(path, { force: true });
