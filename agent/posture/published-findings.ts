import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { maxReasonCharacters } from '../../src/contract/posture.ts';
import { writeFilesAtomically } from '../state/atomic-file.ts';
import { unknown } from './posture-check.ts';
import type { Finding, PostureCriterion } from './posture-check.ts';
import type { SystemFiles } from './system-files.ts';

/** Where the helper that runs as root says what only root can find out, for the agent, which does not. */
export const publishedFindingsFile = '/run/postern-agent/posture.json';

/** The helper writes it anew at least each minute: one that is older was left behind by a helper that ended. */
const longestSilenceSeconds = 180;

const PublishedFindings = Type.Object(
  {
    /** Epoch seconds. */
    at: Type.Integer(),
    findings: Type.Record(
      Type.String(),
      Type.Object(
        {
          value: Type.Union([Type.Boolean(), Type.Literal('unknown')]),
          reason: Type.String({ maxLength: maxReasonCharacters }),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
type PublishedFindings = Static<typeof PublishedFindings>;

export function publishFindings(path: string, published: PublishedFindings): void {
  writeFilesAtomically([{ path, content: `${JSON.stringify(published)}\n`, mode: 0o644 }]);
}

/** The published finding of a criterion; undefined where no helper runs. @throws Error where others could have written it. */
export async function readPublishedFinding(
  files: SystemFiles,
  criterion: PostureCriterion,
  now: Date,
): Promise<Finding | undefined> {
  const found = await files.stat(publishedFindingsFile);
  if (found === undefined) return undefined;
  if (!found.isRoots || found.isShared) throw new Error(`${publishedFindingsFile} is not root's alone`);
  const text = (await files.read(publishedFindingsFile))?.toString('utf8') ?? '';
  const published: unknown = JSON.parse(text);
  if (!Value.Check(PublishedFindings, published))
    throw new Error(`${publishedFindingsFile} says something else`);
  const age = now.getTime() / 1000 - published.at;
  if (age > longestSilenceSeconds || age < -longestSilenceSeconds)
    return unknown('the helper that runs as root has not said anything for a while');
  return published.findings[criterion];
}
