import { refuse } from '../../contract/refusals.ts';
import type { Flow } from '../flow.ts';
import { BodyRefused, readBody } from '../fields/request-body.ts';
import type { HeldBytes } from '../content/held-bytes.ts';

/** The beginning of a body that was read before anybody may have it. */
export interface HeldBody {
  /** The octets, as characters. */
  readonly text: string;
  /** Whether there is more. */
  readonly isCut: boolean;
}

/**
 * Reads a body up to a bound and leaves it, with what is still to come, in the flow for whoever forwards it. What a client
 * sends beyond the bound stays with it until then. A client may be slow, but not so slow that it holds its place for ever:
 * what is to be held has to come within the time that a body may stand still.
 * @returns undefined where there is no room for it.
 * @throws as readBody does.
 */
export async function holdBody(
  flow: Flow,
  contentLength: number | undefined,
  idleTimeoutMs: number,
  maxBytes: number,
  heldBytes: HeldBytes,
): Promise<HeldBody | undefined> {
  const { body, connection } = flow.exchange;
  const owner = connection.certificate.device;
  const read = (): AsyncGenerator<Buffer> => readBody(flow, body, contentLength, idleTimeoutMs);
  const deadline = performance.now() + idleTimeoutMs;
  const chunks: Buffer[] = [];
  let size = 0;
  let end: 'whole' | 'cut' | 'no-room' = 'whole';
  const release = (): void => {
    heldBytes.giveBack(owner, size);
    size = 0;
    chunks.length = 0;
  };
  flow.atEnd(release);
  for await (const chunk of read()) {
    chunks.push(chunk);
    if (!heldBytes.take(owner, chunk.length)) {
      end = 'no-room';
      break;
    }
    size += chunk.length;
    if (size > maxBytes) {
      end = 'cut';
      break;
    }
    if (performance.now() > deadline)
      throw new BodyRefused(refuse('request-timeout', 'the body comes too slowly to be held'));
  }
  flow.body = replay(chunks, release, end === 'whole' ? undefined : read);
  if (end === 'no-room') return undefined;
  return { text: Buffer.concat(chunks).subarray(0, maxBytes).toString('latin1'), isCut: end === 'cut' };
}

/** A second reader takes up where the first has stopped: the flow counts what both have read. */
async function* replay(
  chunks: readonly Buffer[],
  release: () => void,
  more: (() => AsyncGenerator<Buffer>) | undefined,
): AsyncGenerator<Buffer> {
  yield* chunks;
  release();
  if (more !== undefined) yield* more();
}
