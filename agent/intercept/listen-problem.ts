/**
 * Why nothing listens at an address and port: another program has it, the port is below 1024 and the agent may not, the
 * address is not one of this machine's (macOS has only 127.0.0.1 until it is told), something else; or the host stands above names of the agent's own, and is not led here at all.
 */
export const listenProblems = ['taken', 'not-permitted', 'no-address', 'failed', 'above-own'] as const;
export type ListenProblem = (typeof listenProblems)[number];

const byCode: Readonly<Record<string, ListenProblem>> = {
  EADDRINUSE: 'taken',
  EACCES: 'not-permitted',
  EPERM: 'not-permitted',
  EADDRNOTAVAIL: 'no-address',
};

export const listenProblemOf = (error: unknown): ListenProblem =>
  byCode[(error as NodeJS.ErrnoException | undefined)?.code ?? ''] ?? 'failed';
