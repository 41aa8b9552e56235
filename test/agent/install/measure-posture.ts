/** Prints what a program of root's, with no sandbox around it, finds out about this machine. Run by debian-package.test.ts. */
import { systemClock } from '../../../agent/clock.ts';
import { laptopPosture } from '../../../agent/posture/laptop-posture.ts';

const posture = laptopPosture(systemClock);
// A check that takes long says so, and is waited for a second each time.
for (;;) {
  const { checks, reasons = {} } = (await posture.measure()).report();
  if (Object.values(reasons).includes('still being looked at')) continue;
  process.stdout.write(JSON.stringify({ checks, reasons }));
  break;
}
