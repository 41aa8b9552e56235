import type { Command } from 'commander';
import { ApplyResponse } from '../contract/control-api.ts';
import { resourceKinds } from '../domain/resources.ts';
import { addConnection, ApiRefusal, connectApi } from './api-client.ts';
import type { ConnectionOptions } from './api-client.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { addOutput, printable, printData } from './terminal/output.ts';
import type { OutputFormat } from './terminal/output.ts';
import { planLines } from './plan-lines.ts';
import { formatFileProblem, loadResources } from './resource-files.ts';
import type { LoadedResources } from './resource-files.ts';

interface ApplyOptions extends ConnectionOptions {
  readonly filename: string[];
  readonly dryRun?: true;
  readonly prune?: true;
  readonly ifMatch?: string;
  readonly output: OutputFormat;
}

export function registerApply(program: Command): void {
  const command = program
    .command('apply')
    .description('apply resources from files: print the plan, then do all of it or nothing')
    .requiredOption(
      '-f, --filename <path...>',
      'YAML or JSON files, directories of them, or - for standard input',
    )
    .option('--dry-run', 'print the plan and change nothing')
    .option(
      '--if-match <version>',
      'only if resources still are as they were at a --dry-run, which prints it',
    )
    .option('--prune', 'delete resources that the files do not hold');
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
Every problem is reported with its file, line and key, and then nothing is applied.

Examples:
  postern apply -f finance.yaml --dry-run
  postern apply -f finance.yaml --if-match 3p7nW…   what that plan said, or nothing
  postern apply -f deploy/examples/
  postern apply -f . --prune                the files are the whole truth`,
    )
    .action(async (options: ApplyOptions) => {
      const loaded = await loadResources(options.filename);
      if (loaded.problems.length > 0)
        throw new CliError(
          exitCodes.invalid,
          'Nothing was applied',
          loaded.problems.map(formatFileProblem).map(printable),
        );
      const api = await connectApi(options);
      const { value: answer, etag } = await api
        .callTagged('POST', '/v1/apply', ApplyResponse, {
          body: {
            resources: loaded.resources.map(({ resource }) => resource),
            prune: options.prune === true,
            dryRun: options.dryRun === true,
          },
          ...(options.ifMatch === undefined ? {} : { ifMatch: `"${options.ifMatch}"` }),
        })
        .catch((error: unknown) => {
          throw placeProblems(error, loaded);
        });
      const warnings = answer.warnings.map((warning) => placeProblem(warning, loaded));
      const resourceVersion = etag?.replaceAll('"', '') ?? '';
      printData(options.output, { ...answer, warnings, resourceVersion }, () => [
        ...planLines(answer),
        ...(options.dryRun !== true ? [] : [`To do just this or nothing, add --if-match ${resourceVersion}`]),
      ]);
      for (const warning of warnings) process.stderr.write(`warning: ${printable(warning)}\n`);
    });
}

/** What the control plane found, at its place in the files. */
function placeProblems(error: unknown, loaded: LoadedResources): unknown {
  if (!(error instanceof ApiRefusal) || error.problems.length === 0) return error;
  return new CliError(
    error.exitCode,
    'Nothing was applied',
    error.problems.map((problem) => placeProblem(problem, loaded)),
  );
}

const problemShape = new RegExp(
  `^(?<kind>${resourceKinds.join('|')}) (?<name>[a-z0-9-]+): (?:(?<key>[A-Za-z0-9_.[\\]-]+)(?: line (?<line>\\d+))?: )?(?<message>.*)$`,
  's',
);

function placeProblem(problem: string, loaded: LoadedResources): string {
  const { kind, name, key = '', line, message } = problemShape.exec(problem)?.groups ?? {};
  const resourceKind = resourceKinds.find((known) => known === kind);
  if (resourceKind === undefined || name === undefined || message === undefined) return problem;
  const place = loaded.place({
    kind: resourceKind,
    name,
    key,
    message,
    ...(line === undefined ? {} : { line: Number(line) }),
  });
  return place === undefined ? problem : formatFileProblem(place);
}
