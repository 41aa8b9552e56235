import type { MessageKey, MessageValues } from './messages.ts';

/** 1 the answer is no; 2 wrong usage or input, nothing changed; 3 cannot reach the server. */
export type ExitCode = 0 | 1 | 2 | 3;

/** Something that a person is told, in their language, before the command ends. `cause` is for the log. */
export class AgentError extends Error {
  override readonly name: string = 'AgentError';
  readonly exitCode: ExitCode;
  readonly key: MessageKey;
  readonly values: MessageValues;

  constructor(exitCode: ExitCode, key: MessageKey, values: MessageValues = {}, cause?: unknown) {
    super([key, ...Object.values(values)].join(' '), cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
    this.key = key;
    this.values = values;
  }
}

/**
 * What an error of Node's says, for a message or a log field: without the places in OpenSSL's sources, and without Node's
 * advice to those who write programs, which would send the person at the laptop the wrong way.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node tries several addresses of one name and reports them together, with an empty message of its own.
  if (error instanceof AggregateError && error.errors.length > 0) return describeError(error.errors[0]);
  const said = error.message.replace(openSslLine, '$1').replace(adviceToProgrammers, '').trim();
  return said === '' ? error.name : said;
}

/** `THREAD:error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:DATA`, see ERR_print_errors(3). */
const openSslLine = /[0-9A-F]+:error:[0-9A-F]+:[^:\n]*:[^:\n]*:([^:\n]+):[^:\n]*:\d+:[^\n]*/g;
const adviceToProgrammers =
  /; if the root CA is installed locally, try running Node\.js with --use-system-ca/;
