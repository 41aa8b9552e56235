import type { Language } from '../language.ts';
import type { WhyReport } from './report.ts';
import { stepNames, whyText } from './words.ts';

const marks = { ok: '✓', failed: '✗', unknown: '·' } as const;

/** The walk for a terminal: a line a step, and under the one that fails what to do. */
export function whyLines(report: WhyReport, language: Language): readonly string[] {
  const width = Math.max(...report.steps.map(({ step }) => stepNames[step][language].length));
  const indent = ' '.repeat(width + 4);
  const lines = report.steps.flatMap(({ step, outcome, text, code, help, flowId }) => {
    const facts = [text, code && `(${code})`, flowId && `[${flowId}]`].filter(Boolean).join(' ');
    const line = `${marks[outcome]} ${stepNames[step][language].padEnd(width)}  ${facts}`.trimEnd();
    return help === undefined ? [line] : [line, `${indent}→ ${help}`];
  });
  return report.ok ? [...lines, whyText(language, 'all-fine', { app: report.app ?? report.asked })] : lines;
}
