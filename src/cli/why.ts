import type { Command } from 'commander';
import { WhyResponse } from '../contract/control-api.ts';
import type { PostureReport } from '../contract/posture.ts';
import { postureCriteria, postureFactNames } from '../domain/posture.ts';
import type { PostureCriterion, PostureFact, PostureValue } from '../domain/posture.ts';
import { addConnection, connectApi } from './api-client.ts';
import type { ConnectionOptions } from './api-client.ts';
import { parseDuration } from './duration.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { addOutput, printable, printData } from './terminal/output.ts';
import type { OutputFormat } from './terminal/output.ts';
import { paint } from './terminal/paint.ts';

interface WhyOptions extends ConnectionOptions {
  readonly user?: string;
  readonly device: string;
  readonly app: string;
  readonly path?: string;
  readonly method?: string;
  readonly source?: string;
  readonly posture?: string[];
  readonly signedIn?: number;
  readonly mfa?: true;
  readonly claim?: string[];
  readonly output: OutputFormat;
}

export function registerWhy(program: Command): void {
  const command = program
    .command('why')
    .description('the decision for a user on a device, each policy that mattered, and what would change it')
    .option('--user <user>', 'who asks; nobody where the device is a machine')
    .requiredOption('--device <id>', 'from which device')
    .requiredOption('--app <app>', 'for which application')
    .option('--path <path>', 'path of the request')
    .option('--method <method>', 'method of the request')
    .option('--source <address>', 'numeric address that the device connects from')
    .option(
      '--posture <key=value...>',
      'posture instead of the one last reported: true, false or unknown each',
    )
    .option(
      '--signed-in <duration>',
      'as if the user had signed in that long ago (default: never)',
      parseDuration,
    )
    .option('--claim <name=value...>', 'what the identity provider says of the user, such as groups=finance')
    .option('--mfa', 'as if that sign-in had taken more than one factor');
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
Exits 0 when the answer is allow, 1 when it is not.
Posture keys: ${postureCriteria.join(', ')},
ageSeconds, ${postureFactNames.join(', ')}. What is not given is unknown.

Examples:
  postern why --user alice@example.org --device d-x2k7… --app grants
  postern why --user alice@example.org --device d-x2k7… --app grants --path /admin --posture diskEncrypted=true
  postern why --user alice@example.org --device d-x2k7… --app payroll --signed-in 10m --mfa
  postern why --user alice@example.org --device d-x2k7… --app payroll --claim groups=hr groups=staff
  postern why --device d-9m4c… --app recorder`,
    )
    .action(async (options: WhyOptions) => {
      const { user, device, app, path, method, source, posture, signedIn, mfa, claim, output } = options;
      const claims = (claim ?? []).map(parseClaim);
      if (mfa === true && signedIn === undefined)
        throw new CliError(exitCodes.invalid, '--mfa speaks of a sign-in: give --signed-in as well');
      const report = posture === undefined ? undefined : parsePosture(posture);
      const api = await connectApi(options);
      const answer = await api.call('POST', '/v1/why', WhyResponse, {
        ...(user === undefined ? {} : { user }),
        device,
        app,
        ...(path === undefined ? {} : { path }),
        ...(method === undefined ? {} : { method }),
        ...(source === undefined ? {} : { sourceAddress: source }),
        ...(report === undefined ? {} : { posture: report }),
        ...(claims.length === 0 ? {} : { claims }),
        ...(signedIn === undefined ? {} : { signIn: { ageSeconds: signedIn, mfa: mfa === true } }),
      });
      printData(output, answer, () => explain(answer));
      if (answer.effect !== 'allow') process.exitCode = exitCodes.no;
    });
}

/** `groups=finance`. @throws CliError */
function parseClaim(text: string): { claim: string; value: string } {
  const [, claim, value] = /^([^=]{1,128})=(.{1,254})$/.exec(text) ?? [];
  if (claim === undefined || value === undefined)
    throw new CliError(exitCodes.invalid, `--claim ${printable(text)}: write NAME=VALUE`);
  return { claim, value };
}

const values: Readonly<Record<string, PostureValue>> = { true: true, false: false, unknown: 'unknown' };

/** `diskEncrypted=true ageSeconds=30` as a report. @throws CliError naming each that is not understood. */
export function parsePosture(pairs: readonly string[]): PostureReport {
  const checks: Partial<Record<PostureCriterion, PostureValue>> = {};
  const report = { ageSeconds: 0, os: 'unknown', osVersion: '', kernelVersion: '', agentVersion: '' };
  const problems: string[] = [];
  for (const pair of pairs) {
    const [, key = '', value = ''] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
    const criterion = postureCriteria.find((known) => known === key);
    if (criterion !== undefined && Object.hasOwn(values, value))
      checks[criterion] = values[value] ?? 'unknown';
    else if (key === 'ageSeconds' && /^\d{1,5}$/.test(value)) report.ageSeconds = Number(value);
    else if (isFact(key)) report[key] = value;
    else
      problems.push(
        `--posture ${pair}: ${criterion === undefined ? 'not a posture key and value' : 'true, false or unknown'}`,
      );
  }
  if (problems.length > 0) throw new CliError(exitCodes.invalid, 'posture not understood', problems);
  return { ...report, checks };
}

const isFact = (key: string): key is PostureFact => postureFactNames.includes(key as PostureFact);

const colors = { allow: 'green', challenge: 'yellow', deny: 'red' } as const;

const postures = {
  given: 'the posture that was given',
  'last-reported': 'the posture that the device last reported',
  none: 'no posture: the device has not reported any since the control plane started',
} as const;

const listed = (names: readonly string[]): string =>
  names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;

function explain(answer: WhyResponse): string[] {
  const { effect, reasons, policies, wouldChange, policyVersion, posture, groupsNotKnown } = answer;
  const verdict = paint(colors[effect], effect);
  const asks = effect === 'challenge' ? ' for' : ':';
  return [
    `${verdict}${reasons.length === 0 ? '' : `${asks} ${reasons.join(', ')}`}`,
    `under version ${policyVersion}, with ${postures[posture]}`,
    ...(groupsNotKnown.length === 0
      ? []
      : [
          printable(
            `without the groups that go by claims of the identity provider (${listed(groupsNotKnown)}): give --claim NAME=VALUE`,
          ),
        ]),
    ...policies.map(({ name, effect: says, satisfied, mode, explanation }) =>
      printable(
        `${satisfied ? '✓' : '·'} ${name} (${says}${mode === 'enforce' ? '' : `, ${mode}`}): ${explanation}`,
      ),
    ),
    ...(wouldChange.length === 0
      ? []
      : ['What would change it:', ...wouldChange.map((change) => printable(`  - ${change}`))]),
  ];
}
