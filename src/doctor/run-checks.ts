import type { DoctorFacts } from './facts.ts';
import type { Check, Finding } from './finding.ts';

export interface Reported extends Finding {
  readonly check: string;
}

/** Runs checks side by side, each within its limit: one that hangs or breaks says so, and stops no other. */
export async function runChecks(checks: readonly Check[], facts: DoctorFacts): Promise<Reported[]> {
  const reports = await Promise.all(
    checks.map(async (check) =>
      (await runOne(check, facts)).map((finding) => ({ check: check.name, ...finding })),
    ),
  );
  return reports.flat();
}

async function runOne({ run, limitMs }: Check, facts: DoctorFacts): Promise<readonly Finding[]> {
  const late = Promise.withResolvers<readonly Finding[]>();
  const timer = setTimeout(
    () => late.resolve([{ level: 'unknown', what: `did not come to an end in ${limitMs / 1000} s` }]),
    limitMs,
  );
  try {
    return await Promise.race([run(facts), late.promise]);
  } catch (error) {
    return [{ level: 'unknown', what: `could not be looked at: ${(error as Error).message}` }];
  } finally {
    clearTimeout(timer);
  }
}
