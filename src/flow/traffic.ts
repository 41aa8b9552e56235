import type { FlowOutcome } from '../domain/flow.ts';

/**
 * Bytes both ways. OCSF counts from the client's end: `bytes_out` is what the source (the laptop) sent, `bytes_in` what
 * the destination sent back. Our own `bytesIn` is what came in at the gate from the laptop: the words cross over here.
 */
export const trafficMembers = ({ bytesIn, bytesOut }: FlowOutcome): string =>
  `"traffic":{"bytes_in":${bytesOut},"bytes_out":${bytesIn},"bytes":${bytesIn + bytesOut}}`;
