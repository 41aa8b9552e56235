import { join } from 'node:path';
import { chainStart } from '../spool/chain.ts';
import type { FlowStream } from '../spool/chain.ts';
import type { FlowProblem, FlowProblemKind, Silence, TornLine, VerifiedStream } from './flow-report.ts';
import type { VouchedStream } from '../checkpoints/read-checkpoints.ts';
import type { FlowHead } from '../spool/head.ts';
import { readChainLinks } from './read-chain-link.ts';
import type { ChainLink } from './read-chain-link.ts';
import { readLines } from '../read/read-lines.ts';
import type { RetiredPart } from '../spool/retired.ts';
import { headName, segmentName } from '../spool/segment-names.ts';
import { createSequenceRanges } from './sequence-ranges.ts';
import { createContextCheck } from './verify-contexts.ts';
import type { ContextCheck } from './verify-contexts.ts';

interface StreamVerification {
  readonly summary: VerifiedStream;
  readonly problems: readonly FlowProblem[];
  readonly torn: readonly TornLine[];
  readonly silences: readonly Silence[];
}

const unsound = 'its length or its checksum does not fit';

/** Three heartbeats. */
const silentMs = 90_000;

export interface StreamToVerify {
  readonly directory: string;
  readonly stream: FlowStream;
  /** In order, without those of the part that was retired. */
  readonly segments: readonly { readonly name: string; readonly segment: number }[];
  readonly head: FlowHead | undefined;
  readonly retired: RetiredPart | undefined;
  /** What signed checkpoints say of it. */
  readonly vouched: VouchedStream | undefined;
  /** What was written before this, in epoch milliseconds, is in a checkpoint; without checkpoints, the beginning of time. */
  readonly vouchedBefore: number;
}

/** Verifies one chain from its first segment, or from where `retired` says that it goes on, to what is known of its end. */
export async function verifyStream(chain: StreamToVerify): Promise<StreamVerification> {
  const { directory, stream, segments, head, retired, vouched, vouchedBefore } = chain;
  const vouchedUpTo = vouched?.sequence ?? 0;
  const problems: FlowProblem[] = [];
  const torn: TornLine[] = [];
  const silences: Silence[] = [];
  /** From the first heartbeat on; earlier versions wrote none. */
  let heardAt: number | undefined;
  const seen = createSequenceRanges(retired?.sequence);
  let records = 0;
  let lost = 0;
  /** The record before the one that is being looked at. */
  let before = {
    sequence: retired?.sequence ?? 0,
    hash: retired?.hash ?? chainStart(stream),
    first: 0,
    file: '',
    line: 0,
    isSound: true,
  };
  let headHash: string | undefined;
  /** The last record that is as it was signed, and the first that is not. */
  let asSigned = retired?.sequence ?? 0;
  let rewritten: { readonly file: string; readonly sequence: number; readonly at: number } | undefined;
  let unvouched = 0;

  const problem = (
    kind: FlowProblemKind,
    file: string,
    message: string,
    more: { line?: number; from?: number; to?: number } = {},
  ): void => {
    problems.push({ kind, worker: stream.worker, file, ...more, message });
  };

  const knownEnd = Math.max(head?.sequence ?? 0, vouchedUpTo);
  const lastSegment = Math.max(head?.segment ?? 0, vouched?.segment ?? 0);
  for (const { name, segment } of missingSegments(stream, segments, lastSegment, retired?.segment ?? 0))
    problem('segment-missing', name, `segment ${segment} of the chain is not there`);

  for (const [index, { name }] of segments.entries()) {
    const isLastSegment = index === segments.length - 1 && lastSegment <= (segments[index]?.segment ?? 0);
    const contexts = createContextCheck((kind, message, at) => problem(kind, name, message, at));
    for await (const { bytes, number: line, isWhole } of readLines(join(directory, name))) {
      const links = readChainLinks(bytes);
      if (links === undefined || !isWhole) {
        // What a kill leaves is a line that nobody was told of: the last of all, and beyond what the head has seen.
        if (!isWhole && isLastSegment && !(head?.isClosed ?? false) && knownEnd <= seen.greatest)
          torn.push({ worker: stream.worker, file: name, line, bytes: bytes.length });
        else problem('malformed', name, isWhole ? 'is no flow record' : 'is cut off', { line });
        continue;
      }
      if ('kind' in links) {
        if (!links.isSound) problem('edited', name, unsound, { line });
        contexts.context(links, line);
        continue;
      }
      const [{ isSound, sequence: from }] = links;
      if (!isSound) problem('edited', name, unsound, { line, from, to: from + links.length - 1 });
      contexts.records(links);
      for (const link of links) verifyLink(link, { file: name, line, first: from }, contexts);
    }
    contexts.end(isLastSegment && head?.isClosed !== true);
  }

  /** @param first number of the first record of its line: whoever vouches for the last of them does so for all */
  function verifyLink(
    link: ChainLink,
    { file, line, first }: { readonly file: string; readonly line: number; readonly first: number },
    contexts: ContextCheck,
  ): void {
    const claimed = contexts.streamOf(link, line);
    records += 1;
    if (heardAt !== undefined && link.loggedAt - heardAt > silentMs)
      silences.push({ worker: stream.worker, file, from: heardAt, to: link.loggedAt });
    if (heardAt !== undefined || link.isHeartbeat) heardAt = link.loggedAt;
    lost += link.lost;
    const { sequence, hash } = link;
    if (sequence === head?.sequence && link.isSound) headHash = hash;
    const mark = vouched?.marks.get(sequence);
    if (mark !== undefined && mark.hash === hash) asSigned = Math.max(asSigned, sequence);
    else if (mark !== undefined) rewritten ??= { file, sequence, at: mark.at };
    if (sequence > vouchedUpTo && link.loggedAt < vouchedBefore) unvouched = Math.max(unvouched, sequence);
    if (claimed !== undefined && !isOf(claimed, stream))
      problem('foreign', file, `is a record of worker ${claimed.worker}, boot ${claimed.bootId}`, {
        line,
        from: sequence,
        to: sequence,
      });
    const isNew = seen.add(sequence);
    if (!isNew)
      problem('duplicate', file, `sequence ${sequence} is there twice`, {
        line,
        from: sequence,
        to: sequence,
      });
    else if (sequence < before.sequence)
      problem('out-of-order', file, `sequence ${sequence} comes after ${before.sequence}`, {
        line,
        from: sequence,
        to: sequence,
      });
    // Of one that was named already because its checksum does not fit, this is no news.
    else if (
      sequence === before.sequence + 1 &&
      link.previous !== before.hash &&
      before.isSound &&
      link.isSound
    )
      reportBrokenLink(file, line, sequence);
    before = { sequence, hash, first, file, line, isSound: link.isSound };
  }

  function reportBrokenLink(file: string, line: number, sequence: number): void {
    if (before.line === 0)
      problem('edited', file, "does not begin this worker's chain", { line, from: sequence, to: sequence });
    else
      problem(
        'edited',
        before.file,
        `${before.first === before.sequence ? `sequence ${before.sequence} is` : `sequences ${before.first} to ${before.sequence} are`} not what ${file}:${line} vouches for: one of the two was changed`,
        { line: before.line, from: before.first, to: before.sequence },
      );
  }

  const lastKnown = Math.max(seen.greatest, knownEnd);
  for (const { from, to } of seen.missingUpTo(lastKnown)) {
    const isEnd = from > seen.greatest;
    problem(
      'missing',
      isEnd ? headName(stream) : (segments[0]?.name ?? headName(stream)),
      `records ${from} to ${to} of worker ${stream.worker}, boot ${stream.bootId}, are missing${isEnd ? `: the end was cut off${from <= vouchedUpTo ? ', as a signed checkpoint shows' : ''}` : ''}`,
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

  if (rewritten !== undefined) {
    const { file, sequence, at } = rewritten;
    // A later one that is as it was signed vouches for what comes before it, whatever this one looks like.
    const from = asSigned < sequence ? asSigned + 1 : sequence;
    problem(
      'rewritten',
      file,
      `records ${from} to ${sequence} are not all as they were: number ${sequence} is another than was signed on ${new Date(at).toISOString()}`,
      { from, to: sequence },
    );
  }
  if (vouched?.ended === true && seen.greatest > vouchedUpTo)
    problem('unvouched', headName(stream), `records after ${vouchedUpTo}, which was signed as the last`, {
      from: vouchedUpTo + 1,
      to: seen.greatest,
    });
  else if (unvouched > 0)
    problem(
      'unvouched',
      segments[0]?.name ?? headName(stream),
      `no checkpoint knows records ${vouchedUpTo + 1} to ${unvouched}, and there are later ones`,
      { from: vouchedUpTo + 1, to: unvouched },
    );

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
      vouched: vouchedUpTo,
    },
    problems,
    torn,
    silences,
  };
}

const isOf = (one: FlowStream, other: FlowStream): boolean =>
  one.worker === other.worker && one.startedAt === other.startedAt && one.bootId === other.bootId;

function missingSegments(
  stream: FlowStream,
  segments: readonly { readonly segment: number }[],
  lastKnown: number,
  retired: number,
): { name: string; segment: number }[] {
  const present = new Set(segments.map(({ segment }) => segment));
  const last = Math.max(lastKnown, segments.at(-1)?.segment ?? 0);
  const missing: { name: string; segment: number }[] = [];
  for (let segment = retired + 1; segment <= last; segment += 1)
    if (!present.has(segment)) missing.push({ name: segmentName(stream, segment), segment });
  return missing;
}
