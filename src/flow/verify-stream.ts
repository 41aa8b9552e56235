import { join } from 'node:path';
import { chainStart, lineHash } from './chain.ts';
import type { FlowStream } from './chain.ts';
import type { FlowProblem, FlowProblemKind, TornLine, VerifiedStream } from './flow-report.ts';
import type { FlowHead } from './head.ts';
import { readChainLink } from './read-chain-link.ts';
import { readLines } from './read-lines.ts';
import type { RetiredPart } from './retired.ts';
import { headName, segmentName } from './segment-names.ts';
import { createSequenceRanges } from './sequence-ranges.ts';

interface StreamVerification {
  readonly summary: VerifiedStream;
  readonly problems: readonly FlowProblem[];
  readonly torn: readonly TornLine[];
}

/**
 * Verifies one chain from its first segment to its head, or from where `retired` says that it goes on. Segments are in
 * order, and none of them is of the part that was retired.
 */
export async function verifyStream(
  directory: string,
  stream: FlowStream,
  segments: readonly { name: string; segment: number }[],
  head: FlowHead | undefined,
  retired?: RetiredPart,
): Promise<StreamVerification> {
  const problems: FlowProblem[] = [];
  const torn: TornLine[] = [];
  const seen = createSequenceRanges(retired?.sequence);
  let records = 0;
  let lost = 0;
  /** The record before the one that is being looked at. */
  let before = {
    sequence: retired?.sequence ?? 0,
    hash: retired?.hash ?? chainStart(stream),
    file: '',
    line: 0,
  };
  let headHash: string | undefined;

  const problem = (
    kind: FlowProblemKind,
    file: string,
    message: string,
    more: { line?: number; from?: number; to?: number } = {},
  ): void => {
    problems.push({ kind, worker: stream.worker, file, ...more, message });
  };

  for (const { name, segment } of missingSegments(stream, segments, head, retired?.segment ?? 0))
    problem('segment-missing', name, `segment ${segment} of the chain is not there`);

  for (const [index, { name }] of segments.entries()) {
    const isLastSegment =
      index === segments.length - 1 && (head?.segment ?? 0) <= (segments[index]?.segment ?? 0);
    for await (const { bytes, number: line, isWhole } of readLines(join(directory, name))) {
      const link = readChainLink(bytes);
      if (link === undefined || !isWhole) {
        // What a kill leaves is a line that nobody was told of: the last of all, and beyond what the head has seen.
        if (!isWhole && isLastSegment && !(head?.isClosed ?? false) && (head?.sequence ?? 0) <= seen.greatest)
          torn.push({ worker: stream.worker, file: name, line, bytes: bytes.length });
        else problem('malformed', name, isWhole ? 'is no flow record' : 'is cut off', { line });
        continue;
      }
      records += 1;
      lost += link.lost;
      const { sequence } = link;
      const hash = lineHash(bytes);
      if (sequence === head?.sequence) headHash = hash;
      if (
        link.worker !== stream.worker ||
        link.startedAt !== stream.startedAt ||
        link.bootId !== stream.bootId
      )
        problem('foreign', name, `is a record of worker ${link.worker}, boot ${link.bootId}`, {
          line,
          from: sequence,
          to: sequence,
        });
      const isNew = seen.add(sequence);
      if (!isNew)
        problem('duplicate', name, `sequence ${sequence} is there twice`, {
          line,
          from: sequence,
          to: sequence,
        });
      else if (sequence < before.sequence)
        problem('out-of-order', name, `sequence ${sequence} comes after ${before.sequence}`, {
          line,
          from: sequence,
          to: sequence,
        });
      else if (sequence === before.sequence + 1 && link.previous !== before.hash)
        reportBrokenLink(name, line, sequence);
      before = { sequence, hash, file: name, line };
    }
  }

  function reportBrokenLink(file: string, line: number, sequence: number): void {
    if (before.line === 0)
      problem('edited', file, "does not begin this worker's chain", { line, from: sequence, to: sequence });
    else
      problem(
        'edited',
        before.file,
        `sequence ${before.sequence} is not what ${file}:${line} vouches for: one of the two was changed`,
        { line: before.line, from: before.sequence, to: before.sequence },
      );
  }

  const lastKnown = Math.max(seen.greatest, head?.sequence ?? 0);
  for (const { from, to } of seen.missingUpTo(lastKnown)) {
    const isEnd = from > seen.greatest;
    problem(
      'missing',
      isEnd ? headName(stream) : (segments[0]?.name ?? headName(stream)),
      `records ${from} to ${to} of worker ${stream.worker}, boot ${stream.bootId}, are missing${isEnd ? ': the end was cut off' : ''}`,
      { from, to },
    );
  }
  if (head !== undefined && headHash !== undefined && headHash !== head.hash)
    problem('edited', headName(stream), `sequence ${head.sequence} is not what was written last`, {
      from: head.sequence,
      to: head.sequence,
    });
  if (head?.isClosed === true && seen.greatest > head.sequence)
    problem('edited', headName(stream), `records after ${head.sequence}, where the worker ended`, {
      from: head.sequence + 1,
      to: seen.greatest,
    });

  const { worker, bootId, startedAt } = stream;
  return {
    summary: {
      worker,
      bootId,
      startedAt,
      files: segments.length,
      records,
      lastSequence: seen.greatest,
      retired: retired?.sequence ?? 0,
      lost,
    },
    problems,
    torn,
  };
}

function missingSegments(
  stream: FlowStream,
  segments: readonly { segment: number }[],
  head: FlowHead | undefined,
  retired: number,
): { name: string; segment: number }[] {
  const present = new Set(segments.map(({ segment }) => segment));
  const last = Math.max(head?.segment ?? 0, segments.at(-1)?.segment ?? 0);
  const missing: { name: string; segment: number }[] = [];
  for (let segment = retired + 1; segment <= last; segment += 1)
    if (!present.has(segment)) missing.push({ name: segmentName(stream, segment), segment });
  return missing;
}
