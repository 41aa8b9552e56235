import { rmSync } from 'node:fs';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { writeFilesAtomically } from './atomic-file.ts';
import { readOwnedFile } from './owned-file.ts';

/**
 * `sign-in.json`: who is signed in on this laptop. `signIn` is sealed by the control plane, which alone can read it, and
 * is of use with this laptop's certificate only.
 */
export const KeptSignIn = Type.Object(
  {
    signIn: Type.String({ minLength: 1, maxLength: 20_000 }),
    user: Type.String({ minLength: 1, maxLength: 254 }),
    /** Epoch seconds. */
    expiresAt: Type.Integer(),
  },
  { additionalProperties: false },
);
export type KeptSignIn = Static<typeof KeptSignIn>;

/** Undefined where nobody is signed in; what cannot be read is taken for that, since signing in again mends it. */
export function loadSignIn(path: string): KeptSignIn | undefined {
  try {
    const value: unknown = JSON.parse(readOwnedFile(path, 'secret') ?? 'null');
    return Value.Check(KeptSignIn, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export const saveSignIn = (path: string, kept: KeptSignIn): void =>
  writeFilesAtomically([{ path, content: `${JSON.stringify(kept)}\n` }]);

export const removeSignIn = (path: string): void => rmSync(path, { force: true });
