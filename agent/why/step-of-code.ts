import type { WhyStep } from './report.ts';

const exact: Readonly<Record<string, WhyStep>> = {
  'device-revoked': 'certificate',
  'device-lost': 'certificate',
  'device-unknown': 'certificate',
  'renewal-too-late': 'certificate',
  'not-ready': 'tunnel',
  'agent-not-connected': 'tunnel',
  'posture-awaited': 'posture',
  'connector-unavailable': 'connector',
  'isolation-breach': 'connector',
};

/** Which step a refusal belongs to. What is not known here comes after token and posture, and before the connector. */
export function stepOfCode(code: string): WhyStep {
  if (Object.hasOwn(exact, code)) return exact[code] ?? 'policy';
  if (code.startsWith('certificate-')) return 'certificate';
  if (code.startsWith('token-') || code.startsWith('sign-in-')) return 'token';
  return code.startsWith('upstream-') ? 'upstream' : 'policy';
}
