import { isMachineName } from './subject.ts';

/** Why a text can name no user, if it cannot: two users must not look alike in a record, and none like a machine. */
export function findUserProblem(name: string): string | undefined {
  if (name === '') return 'must not be empty';
  if (/[\s\p{C}]/u.test(name)) return `${JSON.stringify(name)} holds blanks or invisible characters`;
  return isMachineName(name) ? 'this is how machines are named, not users' : undefined;
}
