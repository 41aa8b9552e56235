import process from 'node:process';

/**
 * Makes for good what `actAsOwner` made for now: the process is the user of the state directory alone, with the groups of
 * that user. A program that is started by half a root takes no settings from its environment, and the TPM is open to a
 * group. Nothing where there is nothing to give up.
 */
export function becomeOwner(): void {
  const [user, group] = [process.geteuid?.(), process.getegid?.()];
  if (user === undefined || group === undefined || process.getuid?.() === user) return;
  process.seteuid?.(0);
  (process as { initgroups?: (user: number, group: number) => void }).initgroups?.(user, group);
  process.setgid?.(group);
  process.setuid?.(user);
}
