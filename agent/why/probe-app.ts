import { Value } from 'typebox/value';
import { AppProbe, probePath } from '../../src/contract/app-probe.ts';
import { parseProblemText } from '../control/problem.ts';
import type { PeerProblem } from '../control/problem.ts';
import { awaitAnswer, breakOff, NoAnswer, readBody } from '../proxy/flow-stream.ts';
import type { GatewaySession } from '../session/gateway-session.ts';

/** The gateway dials up to three upstreams before it gives up. */
const limitMs = 20_000;
const maxBytes = 65_536;

export type ProbedApp =
  | { readonly found: 'reached'; readonly answer: AppProbe }
  | { readonly found: 'refused'; readonly problem: PeerProblem }
  | { readonly found: 'no-answer' };

/** Asks the gateway on the session itself whether it would carry this laptop to the application, and whether that answers. */
export async function probeApp(session: GatewaySession, app: string): Promise<ProbedApp> {
  try {
    const stream = session.open(
      {
        ':method': 'GET',
        ':scheme': 'https',
        ':authority': session.name,
        ':path': `${probePath}${encodeURIComponent(app)}`,
        accept: 'application/json, application/problem+json',
      },
      { endStream: true },
    );
    const timer = setTimeout(() => breakOff(stream), limitMs);
    try {
      const { status } = await awaitAnswer(stream, limitMs);
      const text = (await readBody(stream, maxBytes)).toString('utf8');
      if (status !== 200) return { found: 'refused', problem: parseProblemText(status, text) };
      const answer: unknown = JSON.parse(text);
      if (Value.Check(AppProbe, answer)) return { found: 'reached', answer };
      return { found: 'refused', problem: parseProblemText(status, text) };
    } finally {
      clearTimeout(timer);
    }
  } catch (error) {
    // The session ended, or what came is no answer.
    if (error instanceof NoAnswer || error instanceof SyntaxError) return { found: 'no-answer' };
    if ((error as { code?: string }).code?.startsWith('ERR_HTTP2') === true) return { found: 'no-answer' };
    throw error;
  }
}
