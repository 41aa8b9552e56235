import { readFile } from 'node:fs/promises';
import { platform } from 'node:os';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { PostureChecks } from '../../src/contract/posture.ts';
import { AgentError, describeError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import { agentVersion } from '../version.ts';
import { postureChecks } from './checks.ts';
import { buildPosture, watchByMeasuring } from './posture-provider.ts';
import type { Findings, PostureProvider } from './posture-provider.ts';
import { identifySystem } from './os-release.ts';
import type { Finding } from './posture-check.ts';
import { createSystemFiles } from './system-files.ts';

const StatedPosture = Type.Partial(PostureChecks, { additionalProperties: false });

/** How often the file is looked at. */
const readIntervalMs = 2000;

/** In the agent version that the control plane and the records see: no report of this kind passes for a measured one. */
export const unsafeVersion = `${agentVersion}+unsafe-posture`.slice(0, 32);

/**
 * Posture as a JSON file states it, for demonstrations and tests: `{ "diskEncrypted": true }`, the rest unknown. The
 * file is read anew at each measurement.
 * @throws AgentError for a file that cannot be read or says something else.
 */
export function statedPosture(path: string, clock: Clock): PostureProvider {
  const measure: PostureProvider['measure'] = async () => {
    let stated: unknown;
    try {
      stated = JSON.parse(await readFile(path, 'utf8'));
    } catch (error) {
      throw new AgentError(2, 'posture-file-invalid', { file: path, problem: describeError(error) }, error);
    }
    if (!Value.Check(StatedPosture, stated)) {
      const [first] = Value.Errors(StatedPosture, stated);
      const problem = `${first?.instancePath ?? ''} ${first?.message ?? ''}`.trim();
      throw new AgentError(2, 'posture-file-invalid', { file: path, problem });
    }
    const findings = postureChecks.map(({ criterion }): [string, Finding] => [
      criterion,
      { value: stated[criterion] ?? 'unknown', reason: 'stated in a file (--unsafe-posture)' },
    ]);
    return buildPosture(
      clock,
      await identifySystem(createSystemFiles(), platform()),
      Object.fromEntries(findings) as Findings,
      unsafeVersion,
    );
  };
  return { measure, watch: watchByMeasuring(measure, clock, readIntervalMs) };
}
