import type { FlowStream } from '../flow/spool/chain.ts';

/**
 * Of a process that this one knows only by what it records, and that is started anew when it ends: its newest chain lives, those
 * before it are over. How long it was silent says nothing: a machine that slept, or whose clock was set, was silent for hours, and
 * what comes after a chain that was signed as over would be taken for forged.
 */
export function createNewestLives(): (stream: FlowStream) => 'live' | 'gone' {
  let newest = Number.NEGATIVE_INFINITY;
  return ({ startedAt }) => {
    newest = Math.max(newest, startedAt);
    return startedAt === newest ? 'live' : 'gone';
  };
}
