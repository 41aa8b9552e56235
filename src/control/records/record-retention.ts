import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { FlowStream } from '../../flow/spool/chain.ts';
import type { Checkpointer } from '../../flow/checkpoints/checkpointer.ts';
import { keepRecords } from '../../flow/kept/keep-records.ts';
import { retireKept } from '../../flow/kept/retire-kept.ts';
import { shareKept } from '../../flow/kept/share-kept.ts';
import { retireSegments } from '../../flow/spool/retire-segments.ts';
import type { RetentionDays } from '../../flow/retention.ts';
import { verifyStream } from '../../flow/verify/verify-stream.ts';
import type { AccessLog } from './access-log.ts';

export interface RecordRetention {
  readonly data: string;
  readonly days: RetentionDays;
  /** Group id of the user who searches records, where that is another than this process has. */
  readonly readers?: number;
  /** Of this server: it stands in what is signed. */
  readonly gateway: string;
  /** Of flow records, where this server has workers. */
  readonly flows:
    | { readonly checkpointer: Checkpointer; readonly isWritten: (stream: FlowStream) => boolean }
    | undefined;
  /** Where this server has an API. */
  readonly access: { readonly checkpointer: Checkpointer; readonly log: AccessLog } | undefined;
  readonly logger: FastifyBaseLogger;
}

const dayMs = 86_400_000;

/**
 * Removes records whose time is over. What was let through goes first, by whole segments; the sign-ins, refusals and findings among
 * it are put aside before, and go when theirs is over. `at` in epoch milliseconds. @throws what the file system throws
 */
export async function retireRecords(retention: RecordRetention, at: number): Promise<void> {
  const { data, days, gateway, flows, access, logger } = retention;
  if (flows !== undefined) {
    const { checkpointer, isWritten } = flows;
    const kept = join(data, dataDirectory.keptRecords);
    const securityBefore = at - days.security * dayMs;
    const files = await retireSegments({
      directory: join(data, dataDirectory.flows),
      // Nothing of a segment is put aside for a shorter time than the rest of it has.
      before: at - days.flows * dayMs,
      isWritten,
      retiredOf: checkpointer.retiredOf,
      keep: createKeep(data, kept, logger),
      retiring: (stream, part, isOver) => checkpointer.retiring(stream, { ...part, by: gateway }, isOver),
    });
    if (retention.readers !== undefined) await shareKept(kept, retention.readers);
    const keptFiles = await retireKept(kept, securityBefore, checkpointer);
    if (files + keptFiles > 0) logger.info({ files, keptFiles, days }, 'old flow records removed');
    await checkpointer.retire(Math.min(securityBefore, at - days.flows * dayMs));
  }
  if (access !== undefined) {
    const { checkpointer, log } = access;
    const before = at - days.administration * dayMs;
    const files = await log.retire(before, {
      retiredOf: checkpointer.retiredOf,
      retiring: (stream, part, isOver) => checkpointer.retiring(stream, { ...part, by: gateway }, isOver),
    });
    if (files > 0) logger.info({ files, keepDays: days.administration }, 'old records of access removed');
    await checkpointer.retire(before);
  }
}

/** What goes is whole, or it stays: what is put aside of it is believed for a year. */
function createKeep(
  data: string,
  to: string,
  logger: FastifyBaseLogger,
): NonNullable<Parameters<typeof retireSegments>[0]['keep']> {
  const from = join(data, dataDirectory.flows);
  return async (stream, segments, retired) => {
    const { problems } = await verifyStream({
      directory: from,
      stream,
      segments,
      head: undefined,
      retired,
      vouched: undefined,
      vouchedBefore: Number.NEGATIVE_INFINITY,
    });
    const [problem] = problems;
    if (problem === undefined)
      return { kept: await keepRecords({ from, to }, stream, segments, retired?.kept) };
    logger.error({ problem }, 'old flow records are not whole and stay: see postern flows verify');
    return undefined;
  };
}
