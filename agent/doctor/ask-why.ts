import type { WhyReport } from '../why/report.ts';

const atOnce = 6;

/** The walk to each application, a few at a time, until the time is up; those that were not asked stay undefined. */
export async function askWhyOfAll(
  apps: readonly string[],
  ask: (app: string) => Promise<WhyReport>,
  isTimeUp: () => boolean,
): Promise<ReadonlyMap<string, WhyReport>> {
  const reports = new Map<string, WhyReport>();
  const waiting = [...apps];
  const work = async (): Promise<void> => {
    for (let app = waiting.shift(); app !== undefined && !isTimeUp(); app = waiting.shift()) {
      const report = await ask(app).catch(() => undefined);
      if (report !== undefined) reports.set(app, report);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return reports;
}
