import { buildProblem, refusals } from '../../src/contract/refusals.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { parseProblem } from '../control/problem.ts';
import type { PeerProblem } from '../control/problem.ts';
import type { StreamAnswer } from './flow-stream.ts';
import { fieldLines } from './headers.ts';
import type { ProxyContext } from './proxy-context.ts';

const ours = /^postern; .*details="(?<code>[a-z0-9-]{1,64})"$/;

/**
 * What the gateway refused, where it was the gateway: by fields that an application cannot send (RFC 9209), so that it is
 * known of an answer without a body and of a page as well.
 */
export function gatewayRefusal({ status, rawHeaders }: StreamAnswer): PeerProblem | undefined {
  if (status < 300) return undefined;
  let code: string | undefined;
  let flowId: string | undefined;
  for (const [name, value] of fieldLines(rawHeaders)) {
    if (name === 'proxy-status') code = ours.exec(value)?.groups?.['code'];
    else if (name === 'postern-flow-id') flowId = value;
  }
  if (code === undefined || !Object.hasOwn(refusals, code)) return undefined;
  const problem = buildProblem(code as RefusalCode, 'en', flowId === undefined ? {} : { flowId });
  return parseProblem(problem.status, problem);
}

/** Remembers for `status` what the gateway refused of a host. */
export function noteRefused(
  { carrier }: Pick<ProxyContext, 'carrier'>,
  host: string,
  problem: PeerProblem,
): void {
  carrier.noteRefusal({ ...problem, host });
  // Published elsewhere meanwhile, or not at all: the next one should know.
  if (problem.status === 404) void carrier.config.lookAgain();
}
