import type { UserName } from './ids.ts';

/** What ended: one sign-in, all of one session at the identity provider, or all of one of its users until then. */
export interface EndedSignIn {
  readonly user: UserName;
  /** Epoch seconds. */
  readonly at: number;
}

/**
 * No sign-in and no token of one lives longer than this, in seconds: what ended may be forgotten then. The longest
 * lifetime that the settings allow, with the token's ten minutes and some clock skew, stays below it.
 */
export const endedSignInSeconds = 86_400;
export const longestSignInSeconds = 82_800;

export interface SignInIdParts {
  /** Of the session at the identity provider (`sid`): a digest, empty where it has none. */
  readonly session: string;
  /** Of its user there (`iss` and `sub`): a digest. */
  readonly subject: string;
  /** Epoch seconds, by the control plane's clock. */
  readonly startedAt: number;
  readonly random: string;
}

/**
 * A sign-in says by its id what may end it. So an identity provider's logout, which names a session or a user of its
 * own, reaches every token and flow of it, though no control plane keeps a list of who is signed in.
 */
export const formatSignInId = ({ session, subject, startedAt, random }: SignInIdParts): string =>
  [session, subject, startedAt, random].join('.');

/** Keys under which an end is kept, beside the id of one sign-in. */
export const endedSession = (session: string): string => `session:${session}`;
export const endedSubject = (subject: string): string => `subject:${subject}`;

/** Whether a sign-in was ended: itself, with its session, or with all that its user had begun until then. */
export function isSignInEnded(ended: ReadonlyMap<string, EndedSignIn>, id: string): boolean {
  if (ended.size === 0) return false;
  if (ended.has(id)) return true;
  const [session = '', subject = '', startedAt = ''] = id.split('.');
  if (session !== '' && ended.has(endedSession(session))) return true;
  const until = ended.get(endedSubject(subject));
  // An id that cannot be read began at no time, and so before every end.
  return until !== undefined && !(Number(startedAt) > until.at);
}
