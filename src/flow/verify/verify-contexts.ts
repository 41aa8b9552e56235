import type { FlowStream } from '../spool/chain.ts';
import type { FlowProblemKind } from './flow-report.ts';
import { parseContext } from '../frames/context.ts';
import { readStream } from './read-chain-link.ts';
import type { ChainLink, ContextLink } from './read-chain-link.ts';

/** Holds the short records of one segment against the contexts that they name. */
export interface ContextCheck {
  context(link: ContextLink, line: number): void;
  /** A line of records: of the contexts before it, each must be one of theirs. */
  records(links: readonly ChainLink[]): void;
  /** Which chain one of them says that it is of; undefined where what it has in common with others is not there to say so. */
  streamOf(link: ChainLink, line: number): FlowStream | undefined;
  /** @param isCut whether the worker may have been killed while it wrote the last line */
  end(isCut: boolean): void;
}

/**
 * Contexts are in no chain: a record has the hash of its own in the bytes that are. One that is not named by the records
 * after it was never written by a worker.
 */
export function createContextCheck(
  problem: (kind: FlowProblemKind, message: string, at: { line: number; from?: number; to?: number }) => void,
): ContextCheck {
  const streams = new Map<string, FlowStream>();
  const missing = new Set<string>();
  /** Those that the next records are to name, and their lines. */
  const awaited = new Map<string, number>();

  function unnamed(line: number): void {
    problem('malformed', 'is a context that the records after it do not name', { line });
  }

  return {
    context({ payload, hash, isSound }, line) {
      if (!isSound) return;
      const text = payload.toString('latin1');
      const stream = readStream(parseContext(text)?.postern ?? {});
      if (stream === undefined) return problem('malformed', 'is no context of flow records', { line });
      streams.set(hash, stream);
      const twice = awaited.get(hash);
      if (twice !== undefined) unnamed(twice);
      awaited.set(hash, line);
    },
    records(links) {
      const named = new Set(links.map(({ context }) => context));
      for (const [hash, line] of awaited) if (!named.has(hash)) unnamed(line);
      awaited.clear();
    },
    streamOf({ context, stream, sequence }, line) {
      if (context === undefined) return stream;
      if (!streams.has(context) && !missing.has(context)) {
        missing.add(context);
        const message = `what sequence ${sequence} has in common with other records is not there as it was`;
        problem('edited', message, { line, from: sequence, to: sequence });
      }
      return streams.get(context);
    },
    end(isCut) {
      if (!isCut) for (const line of awaited.values()) unnamed(line);
    },
  };
}
