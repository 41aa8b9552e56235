import type { FlowOutcome, TunnelTraffic } from '../../domain/flow.ts';

/**
 * Bytes both ways. OCSF counts from the client's end: `bytes_out` is what the source (the laptop) sent, `bytes_in` what
 * the destination sent back. Our own `bytesIn` is what came in at the gate from the laptop: the words cross over here.
 */
export const trafficMembers = ({ bytesIn, bytesOut }: FlowOutcome): string =>
  `"traffic":{"bytes_in":${bytesOut},"bytes_out":${bytesIn},"bytes":${bytesIn + bytesOut}}`;

/** The same for what is still open: since the last record, and in all. */
export const partialTrafficMembers = (traffic: TunnelTraffic): string => {
  const { since, at, bytesIn, bytesOut, totalIn, totalOut } = traffic;
  return (
    `"traffic":{"bytes_in":${bytesOut},"bytes_out":${bytesIn},"bytes":${bytesIn + bytesOut}` +
    `,"start_time":${Math.trunc(since)},"end_time":${Math.trunc(at)}}` +
    `,"cumulative_traffic":{"bytes_in":${totalOut},"bytes_out":${totalIn},"bytes":${totalIn + totalOut}}`
  );
};
