import type { DeviceId } from '../../domain/ids.ts';
import type { WantedData } from '../../inspection/data-loss/detectors.ts';
import { createAskedThread } from '../asked-thread.ts';
import type { ThreadAnswer } from '../asked-thread.ts';
import type { GatewayLog } from '../ports.ts';
import type { DataLossAnswer, DataLossQuestion } from './data-loss-messages.ts';
import { createTurns } from '../turns.ts';

/** One body in the hands of who looks at it. */
export interface OpenContent {
  /** One after the other. Never rejects. */
  look(next: Uint8Array, isLast: boolean): Promise<ThreadAnswer<DataLossAnswer>>;
  forget(): void;
}

/** Looks for data in contents. */
export interface DataLossScanner {
  prepare(): void;
  /** @param owner takes turns with others, however much it sends. */
  open(owner: DeviceId, contentType: string, wanted: WantedData): OpenContent;
  close(): Promise<void>;
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const file = new URL(`data-loss-thread.${extension}`, import.meta.url);
const maxMegabytes = 512;
/** One that it looks at, and one for when it is done with that. */
const maxAsked = 2;
/** Pieces of some 32 KiB. */
const maxWaiting = 2048;

/** Looks at contents in a thread of its own. Where no application wants that there is none. */
export function createDataLossScanner(parts: {
  readonly timeoutMs: number;
  readonly log: GatewayLog;
}): DataLossScanner {
  const { timeoutMs, log } = parts;
  const thread = createAskedThread<DataLossQuestion, DataLossAnswer>({
    file,
    timeoutMs,
    maxMegabytes,
    onReady: () => log.info({}, 'contents are looked at'),
    messages: { stopped: 'contents are not looked at any more', failed: 'content not looked at' },
    log,
  });
  const turns = createTurns(maxAsked, maxWaiting);
  let bodies = 0;
  return {
    prepare: () => thread.prepare(),
    open(owner, contentType, wanted) {
      const body = (bodies += 1);
      let opens: { contentType: string; wanted: WantedData } | undefined = { contentType, wanted };
      return {
        look(next, isLast) {
          // A copy that is its own: what is sent to a thread is sent with all that its memory holds.
          const bytes = Uint8Array.from(next);
          const question = { type: 'look', body, opens, bytes, isLast } as const;
          opens = undefined;
          return (
            turns.run(owner, () => thread.ask(question, [bytes.buffer])) ??
            Promise.resolve({ failure: 'unavailable', detail: 'too many contents wait to be looked at' })
          );
        },
        forget: () => thread.tell({ type: 'forget', body }),
      };
    },
    close: () => thread.close(),
  };
}
