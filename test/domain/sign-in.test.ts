import { expect, it } from 'vitest';
import { endedSession, endedSubject, formatSignInId, isSignInEnded } from '../../src/domain/sign-in.ts';
import type { EndedSignIn } from '../../src/domain/sign-in.ts';
import type { UserName } from '../../src/domain/ids.ts';

const user = 'alice@example.org' as UserName;
const id = (parts: { session?: string; subject?: string; startedAt?: number } = {}): string =>
  formatSignInId({ session: 'ses', subject: 'sub', startedAt: 1000, random: 'r', ...parts });
const ended = (key: string, at = 1000): ReadonlyMap<string, EndedSignIn> => new Map([[key, { user, at }]]);

it('ends by its own id, by its session, and by its user for all that had begun', () => {
  expect(isSignInEnded(new Map(), id())).toBe(false);
  expect(isSignInEnded(ended(id()), id())).toBe(true);
  expect(isSignInEnded(ended(endedSession('ses')), id())).toBe(true);
  expect(isSignInEnded(ended(endedSubject('sub'), 1000), id({ startedAt: 1000 }))).toBe(true);
});

it('goes on when another was ended, and when it began after its user was signed out', () => {
  expect(isSignInEnded(ended(id({ startedAt: 999 })), id())).toBe(false);
  expect(isSignInEnded(ended(endedSession('other')), id())).toBe(false);
  expect(isSignInEnded(ended(endedSubject('other')), id())).toBe(false);
  expect(isSignInEnded(ended(endedSubject('sub'), 1000), id({ startedAt: 1001 }))).toBe(false);
});

it('takes no session for the same as another that has no name, and an id that cannot be read for old', () => {
  expect(isSignInEnded(ended(endedSession('')), id({ session: '' }))).toBe(false);
  expect(isSignInEnded(ended(endedSubject('sub')), 'x.sub.nonsense.r')).toBe(true);
});
