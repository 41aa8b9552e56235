/** What the exit codes mean to scripts: part of the contract. */
export const exitCodes = {
  done: 0,
  /** The answer is no: denied, difference found, check failed. */
  no: 1,
  /** Wrong usage or invalid input; nothing was changed. */
  invalid: 2,
  unreachable: 3,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends a command with a message for people and a code for scripts. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;
  /** Further lines, one a problem. */
  readonly problems: readonly string[];
  constructor(exitCode: ExitCode, message: string, problems: readonly string[] = []) {
    super(message);
    this.exitCode = exitCode;
    this.problems = problems;
  }
}
