import type { Command } from 'commander';
import { postureFactNames } from '../../domain/posture.ts';
import type { Resource } from '../../domain/resources.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { addOutput, printable, printData } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';
import { paint } from '../terminal/paint.ts';
import { formatFileProblem, loadResources } from '../resource-files.ts';
import type { FileProblem } from '../resource-files.ts';
import { loadCases } from './case-file.ts';
import { findUnknown, judgeCases } from './judge-cases.ts';
import type { JudgedCase } from './judge-cases.ts';
import { addKnownServer, applyOver, connectUnlessOffline, fetchResources } from './server-resources.ts';
import type { KnownServerOptions } from './server-resources.ts';
import { requireSoundPolicies } from './simulation.ts';

interface TestOptions extends KnownServerOptions {
  readonly policies?: string[];
  readonly output: OutputFormat;
}

export function registerPolicyTest(group: Command): void {
  const command = group
    .command('test')
    .description(
      'cases (who, from what, asks for which app: what must come out); exits 1 when one is a surprise',
    )
    .argument('<file...>', 'YAML files of cases, or directories of them')
    .option(
      '--policies <path...>',
      'resource files or directories, laid over what the server has as apply would',
    );
  addOutput(addKnownServer(command))
    .addHelpText(
      'after',
      `
A file of cases:

  defaults:                        # holds for every case that does not say otherwise
    posture: { diskEncrypted: true, ageSeconds: 60 }
  cases:
    - name: finance reads grants from a healthy laptop
      user: alice@example.org      # the groups that list this user count
      app: grants
      expect: allow                # or deny, or challenge
      policies: [finance-grants]   # optional: exactly these decide
    - name: a disk in the clear is refused
      user: alice@example.org
      app: grants
      posture: { diskEncrypted: false }
      expect: deny
      reasons: [no-policy-permits] # optional: exactly these reasons

Each case may also give: groups: [NAME]; claims: [{ claim, value }]; device: { id, role, state, enrolledAgeSeconds };
posture: { missing: true } or its criteria (true, false, unknown; what is left out is unknown), ageSeconds,
${postureFactNames.join(', ')}; signIn: { ageSeconds, mfa }; request: { method, path, source };
at: 2026-11-26T08:30:00Z. Without posture or signIn there is none; without a time it is now.

Exit codes: 0 all as expected; 1 a surprise; 2 a file that cannot be used, with its line.

Examples:
  postern policy test tests/                                       against what the server has now
  postern policy test tests/ --policies proposal.yaml              with a proposal laid over it
  postern policy test deploy/examples/policy-tests/two-networks.yaml \\
    --policies deploy/examples/two-networks.yaml --offline         against files alone`,
    )
    .action(async (files: string[], options: TestOptions) => {
      const { cases, problems } = await loadCases(files);
      refuse('files that cannot be read as cases', problems);
      const { resources, place } = await gatherResources(options);
      requireSoundPolicies(resources, place);
      refuse('cases that speak of what does not exist', findUnknown(cases, resources));
      const judged = judgeCases(cases, resources, Math.floor(Date.now() / 1000));
      printData(options.output, { cases: judged.map(asData) }, () => describeAll(judged));
      if (judged.some(({ surprises }) => surprises.length > 0)) process.exitCode = exitCodes.no;
    });
}

function refuse(what: string, problems: readonly FileProblem[]): void {
  if (problems.length > 0)
    throw new CliError(exitCodes.invalid, what, problems.map(formatFileProblem).map(printable));
}

/** What the server has, with the files of `--policies` laid over it; one of the two has to be there. */
async function gatherResources(
  options: TestOptions,
): Promise<{ resources: Resource[]; place: Awaited<ReturnType<typeof loadResources>>['place'] }> {
  const api = await connectUnlessOffline(options);
  if (api === undefined && options.policies === undefined)
    throw new CliError(exitCodes.invalid, 'no policies to test: give --policies FILE, or --server URL');
  const loaded = await loadResources(options.policies ?? []);
  refuse('files that cannot be read as resources', loaded.problems);
  const present = api === undefined ? [] : await fetchResources(api);
  const files = loaded.resources.map(({ resource }) => resource);
  return { resources: applyOver(present, files), place: loaded.place };
}

const asData = ({ located: { case: each, file, line }, explanation, surprises }: JudgedCase) => ({
  name: each.name,
  file,
  line,
  expected: each.expect,
  effect: explanation.effect,
  reasons: explanation.reasons,
  surprises,
  ...(surprises.length === 0 ? {} : { policies: explanation.policies }),
});

function describeAll(judged: readonly JudgedCase[]): string[] {
  const surprising = judged.filter(({ surprises }) => surprises.length > 0);
  return [
    ...surprising.flatMap(describeSurprise),
    surprising.length === 0
      ? `${paint('green', '✓')} ${judged.length} case(s), all as expected.`
      : `${paint('red', '✗')} ${surprising.length} of ${judged.length} case(s) came out otherwise.`,
  ];
}

function describeSurprise({
  located: { case: each, file, line },
  explanation,
  surprises,
}: JudgedCase): string[] {
  const { policies, reasons, wouldChange } = explanation;
  return [
    `${paint('red', '✗')} ${printable(`${file}:${line}: ${each.name}: ${surprises.join('; ')}`)}`,
    ...(reasons.length === 0 ? [] : [`    because: ${reasons.join(', ')}`]),
    ...policies.map(({ name, effect, satisfied, explanation: said }) =>
      printable(`    ${satisfied ? '✓' : '·'} ${name} (${effect}): ${said}`),
    ),
    ...wouldChange.map((change) => printable(`    would change it: ${change}`)),
  ];
}
