import { parentPort, workerData } from 'node:worker_threads';
import { inspectRequest } from '../../inspection/inspect-request.ts';
import { buildRuleSet } from '../../inspection/rule-set.ts';
import type { RuleFiles } from '../../inspection/rule-set.ts';
import type { FromWafThread, ToWafThread } from './waf-messages.ts';

/** The thread beside a worker in which rules are asked: they take longer than an event loop may stand still. */
const ruleSet = buildRuleSet((workerData as { files: RuleFiles }).files);

const say = (message: FromWafThread): void => parentPort?.postMessage(message);

parentPort?.on('message', ({ id, request, profile }: ToWafThread) => {
  try {
    say({ type: 'report', id, report: inspectRequest(ruleSet, request, profile) });
  } catch (error) {
    say({ type: 'failed', id, detail: (error as Error).message });
  }
});

say({
  type: 'ready',
  version: ruleSet.version,
  rules: ruleSet.rules.length,
  notEvaluated: ruleSet.notEvaluated.map(({ id }) => id),
});
