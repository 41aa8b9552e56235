import { refusals } from './refusals.ts';
import type { RefusalCode } from './refusals.ts';

/**
 * Something that should not have happened, or a refusal that has to travel up a stack. `message` is safe for the
 * peer; `detail` is for the log. Neither may hold a token, key, cookie or body.
 */
export class GatewayError extends Error {
  override readonly name: string = 'GatewayError';
  readonly code: RefusalCode;
  readonly status: number;
  readonly detail: string | undefined;
  /** One line a problem, for input that has several. */
  readonly problems: readonly string[];

  constructor(
    code: RefusalCode,
    options: { detail?: string; problems?: readonly string[]; cause?: unknown } = {},
  ) {
    super(refusals[code].title.en, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = refusals[code].status;
    this.detail = options.detail;
    this.problems = options.problems ?? [];
  }
}
