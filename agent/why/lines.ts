import type { Language } from '../language.ts';
import type { WhyReport } from './report.ts';
import { stepNames, whyText } from './words.ts';

const marks = { ok: '✓', failed: '✗', unknown: '·' } as const;

/** What a walk without a failure came to: a step of which nothing is known is not taken for good. */
export const conclude = ({ steps }: WhyReport): 'all-fine' | 'nothing-found' =>
  steps.every(({ outcome }) => outcome === 'ok') ? 'all-fine' : 'nothing-found';

/** The walk for a terminal: a line a step, and under the one that fails what to do. */
export function whyLines(report: WhyReport, language: Language): readonly string[] {
  const width = Math.max(...report.steps.map(({ step }) => stepNames[step][language].length));
  const indent = ' '.repeat(width + 4);
  const lines = report.steps.flatMap(({ step, outcome, text, code, help, flowId }) => {
    const facts = [text, code && `(${code})`, flowId && `[${flowId}]`].filter(Boolean).join(' ');
    const line = `${marks[outcome]} ${stepNames[step][language].padEnd(width)}  ${facts}`.trimEnd();
    return help === undefined ? [line] : [line, `${indent}→ ${help}`];
  });
  if (!report.ok) return lines;
  return [...lines, whyText(language, conclude(report), { app: report.app ?? report.asked })];
}
