import { workerData } from 'node:worker_threads';
import { inspectRequest } from '../../inspection/inspect-request.ts';
import type { InspectionReport } from '../../inspection/request.ts';
import { buildRuleSet } from '../../inspection/rule-set.ts';
import type { RuleFiles } from '../../inspection/rule-set.ts';
import { answerQuestions } from '../answer-questions.ts';
import type { WafQuestion } from './waf-messages.ts';

/** The thread beside a worker in which rules are asked: they take longer than an event loop may stand still. */
const ruleSet = buildRuleSet((workerData as { files: RuleFiles }).files);

answerQuestions(
  {
    version: ruleSet.version,
    rules: ruleSet.rules.length,
    // Ids of rules that ask what is not to be had here.
    notEvaluated: ruleSet.notEvaluated.map(({ id }) => id),
  },
  ({ request, profile }: WafQuestion): InspectionReport => inspectRequest(ruleSet, request, profile),
);
