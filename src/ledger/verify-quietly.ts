import type { LedgerHead } from '../domain/control-state.ts';
import { LedgerCorrupt } from './ledger.ts';
import type { LedgerReader } from './ledger.ts';
import { pause } from './pause.ts';

const entriesAtOnce = 1000;

/**
 * Verifies the chain from its beginning up to `head`, in small portions with pauses, beside whatever else the process
 * does: a quick start took that part on the word of a snapshot. Returns early when the signal aborts.
 * @throws LedgerCorrupt naming the entry at which the chain breaks; LedgerUnavailable
 */
export async function verifyQuietly(
  ledger: LedgerReader,
  head: LedgerHead,
  options: { readonly signal: AbortSignal; readonly pauseMs?: number },
): Promise<void> {
  const { signal, pauseMs = 10 } = options;
  if (head.sequence === 0) return;
  for await (const { sequence, hash } of ledger.read(0)) {
    if (signal.aborted) return;
    if (sequence === head.sequence) {
      if (hash === head.hash) return;
      throw new LedgerCorrupt(sequence, `ledger entry ${sequence} is not the one that the snapshot knows`);
    }
    if (sequence % entriesAtOnce === 0) await pause(pauseMs, signal);
  }
  if (!signal.aborted)
    throw new LedgerCorrupt(head.sequence, `ledger ends before entry ${head.sequence}, which it had`);
}
