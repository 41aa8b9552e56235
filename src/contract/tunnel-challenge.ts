import type { RefusalCode } from './refusals.ts';

/**
 * On the 200 that opens a tunnel to an http app: the code of the challenge that requests in it meet. The page that says so
 * comes inside the TLS of the program that opened the tunnel, where the agent sees nothing. The gateway's own word: what an
 * application answers never gets into the head of a tunnel.
 */
export const challengeField = 'postern-challenge';

/** What a better sign-in would mend. */
export type ChallengeCode = Extract<RefusalCode, 'sign-in-required' | 'mfa-required'>;

export const isChallengeCode = (code: string | undefined): code is ChallengeCode =>
  code === 'sign-in-required' || code === 'mfa-required';
