import { stateOfRefusal } from './failure.ts';
import type { Identity } from './identity.ts';
import type { Keeping } from './keeping.ts';

/** Fetches a token for a certificate, and shows it on each of its sessions. */
export async function refreshToken(
  { config, identities, log, sessions, state }: Keeping,
  of: Identity,
  signal: AbortSignal,
): Promise<void> {
  try {
    const token = await of.tokens.fetch(signal);
    const own = sessions.all().filter((session) => session.credentials === of.credentials);
    // One that says nothing must not keep the others from theirs.
    await Promise.all(
      own.map(async (session) => {
        const answer = await session.probe(token.value).catch(() => undefined);
        // Gone: the other loops see to it.
        if (answer === undefined) return;
        const isCurrent = session === sessions.current();
        if (answer.ok) {
          if (isCurrent) state.set('connected');
          return;
        }
        of.tokens.postpone();
        const { problem } = answer;
        log.warn({ code: problem.code }, 'fresh token refused');
        if (isCurrent)
          state.set(stateOfRefusal(problem), {
            state: 'refused',
            reason: problem.title,
            problem,
            slow: false,
          });
      }),
    );
    if (of === identities.current()) await config.refresh();
  } catch (error) {
    // What is in hand serves until it ends; the gateway sees to that.
    const found = state.note(error, 'token or configuration not refreshed');
    if (found.problem !== undefined) state.noteRefusal(found.problem);
  }
}
