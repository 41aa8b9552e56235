import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { writeFilesAtomically } from '../state/atomic-file.ts';
import type { SystemFiles } from '../posture/system-files.ts';

/** Where the helper says how the firewall is, for `postern-agent status`. */
export const publishedFirewallFile = '/run/postern-agent/firewall.json';

export const FirewallState = Type.Object(
  {
    /** `applied`, `none`, `rolled-back` where it would have locked us out, `failed` where the system did not take it. */
    state: Type.Enum(['applied', 'none', 'rolled-back', 'failed']),
    /** Of the Firewall resource. */
    name: Type.Optional(Type.String()),
    reason: Type.Optional(Type.String()),
    /** Why what the agent carries was not taken; what is in force is of before. */
    refused: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);
export type FirewallState = Static<typeof FirewallState>;

export function publishFirewall(path: string, state: FirewallState): void {
  writeFilesAtomically([{ path, content: `${JSON.stringify(state)}\n`, mode: 0o644 }]);
}

/** Undefined where no helper runs, or others could have written what is there. */
export async function readPublishedFirewall(files: SystemFiles): Promise<FirewallState | undefined> {
  const found = await files.stat(publishedFirewallFile);
  if (found === undefined || !found.isRoots || found.isShared) return undefined;
  try {
    const state: unknown = JSON.parse((await files.read(publishedFirewallFile))?.toString('utf8') ?? '');
    return Value.Check(FirewallState, state) ? state : undefined;
  } catch {
    return undefined;
  }
}
