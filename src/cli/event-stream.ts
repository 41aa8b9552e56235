import { Agent, request } from 'undici';
import { linesOf } from '../flow/search/lines-of.ts';
import { describeFailure, refusalOf } from './api-client.ts';
import type { ApiTarget } from './api-client.ts';
import { CliError, exitCodes } from './cli-error.ts';

/** What a server tells. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Comments come each 15 seconds: a connection that is silent for longer is none any more. */
const silenceMs = 45_000;

/**
 * The events of a stream (WHATWG HTML, section 9.2) until it ends or the signal is aborted, without an error then.
 * @throws CliError: 1 for a no, 3 where there is no connection, or it breaks off.
 */
export async function* readEvents(
  target: ApiTarget,
  path: string,
  signal: AbortSignal,
): AsyncIterable<ServerEvent> {
  const agent = new Agent({
    connect: {
      ...(target.ca === undefined ? {} : { ca: target.ca }),
      minVersion: 'TLSv1.3',
      timeout: 10_000,
    },
    headersTimeout: 10_000,
    bodyTimeout: silenceMs,
  });
  try {
    const { statusCode, body } = await request(`${target.origin}${path}`, {
      dispatcher: agent,
      signal,
      headers: { accept: 'text/event-stream', authorization: `Bearer ${target.apiKey ?? ''}` },
    });
    if (statusCode !== 200) throw refusalOf(statusCode, await body.text(), target.origin);
    let event = 'message';
    let data: string[] = [];
    for await (const line of linesOf(body)) {
      if (line === '') {
        if (data.length > 0) yield { event, data: data.join('\n') };
        [event, data] = ['message', []];
        continue;
      }
      const [, field = '', value = ''] = /^([a-z]*):? ?(.*)$/s.exec(line) ?? [];
      if (field === 'event') event = value;
      if (field === 'data') data.push(value);
    }
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof CliError
      ? error
      : new CliError(exitCodes.unreachable, describeFailure(error, target.origin));
  } finally {
    await agent.destroy();
  }
}
