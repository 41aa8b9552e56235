import type { CoreRuleSet } from '../../contract/ipc.ts';
import type { DeviceId } from '../../domain/ids.ts';
import type { InspectedRequest, InspectionProfile, InspectionReport } from '../../inspection/request.ts';
import { createAskedThread } from '../asked-thread.ts';
import type { ThreadAnswer } from '../asked-thread.ts';
import type { GatewayLog } from '../ports.ts';
import { createTurns } from '../turns.ts';
import type { WafQuestion } from './waf-messages.ts';

/** What came of asking the rules. Nothing that goes wrong is an error here: the application says what it then wants. */
export type WafAnswer = ThreadAnswer<InspectionReport>;

export interface Waf {
  /** Why rules cannot be asked. */
  readonly problem: string | undefined;
  /** Starts what answers, so that the first who asks does not wait for it. */
  prepare(): void;
  /**
   * Never rejects, and answers within the time that the settings give it, or twice that where most of it was spent waiting.
   * @param owner takes turns with others, however much it sends.
   */
  inspect(owner: DeviceId, request: InspectedRequest, profile: InspectionProfile): Promise<WafAnswer>;
  close(): Promise<void>;
}

/** One that it is asked about, and one for when it is done with that. */
const maxAsked = 2;
const maxWaiting = 512;

/** Of the thread alone; the rules and what their patterns have learned take some 60. */
const maxMegabytes = 512;

const without = (problem: string): Waf => ({
  problem,
  prepare: () => undefined,
  inspect: () => Promise.resolve({ failure: 'unavailable', detail: problem }),
  close: () => Promise.resolve(),
});

/** Where nothing was said of rules. */
export const noWaf: Waf = without('no rules');

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const file = new URL(`waf-thread.${extension}`, import.meta.url);

/** Asks rules in a thread of its own. Where no application is to be inspected there is none. */
export function createWaf(parts: {
  readonly coreRuleSet: CoreRuleSet;
  readonly timeoutMs: number;
  readonly log: GatewayLog;
}): Waf {
  const { coreRuleSet, timeoutMs, log } = parts;
  if (coreRuleSet.files === undefined) return without(coreRuleSet.problem);
  const thread = createAskedThread<WafQuestion, InspectionReport>({
    file,
    workerData: { files: coreRuleSet.files },
    timeoutMs,
    maxMegabytes,
    onReady: (facts) => log.info(facts, 'rules are asked'),
    messages: { stopped: 'rules stopped', failed: 'rules failed' },
    log,
  });
  const turns = createTurns(maxAsked, maxWaiting);
  return {
    problem: undefined,
    prepare: () => thread.prepare(),
    inspect(owner, request, profile) {
      const { promise, resolve } = Promise.withResolvers<WafAnswer>();
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        resolve({ failure: 'timeout', detail: `no turn within ${timeoutMs} ms` });
      }, timeoutMs);
      const turn = turns.run(owner, async () => {
        clearTimeout(timer);
        if (!isLate) resolve(await thread.ask({ request, profile }));
      });
      if (turn !== undefined) return promise;
      clearTimeout(timer);
      return Promise.resolve({ failure: 'unavailable', detail: 'too many wait for their inspection' });
    },
    close: () => thread.close(),
  };
}
