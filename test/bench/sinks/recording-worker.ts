import type { FlowId } from '../../../src/domain/ids.ts';
import { createFlowRecorder } from '../../../src/flow/recorder.ts';
import { allowedFacts, answered } from '../../flow/samples.ts';

/**
 * A worker that only records: `DIRECTORY BOOT WORKER PER_SECOND COUNT [THEN_PER_SECOND]`. After COUNT of them it ends, or goes on so
 * much slower. Started in numbers and killed by the benchmark of the sinks.
 */
const [directory = '', bootId = '', worker = '1', perSecond = '1000', count = '1', thenPerSecond] =
  process.argv.slice(2);
const everyMs = 10;
const recorder = createFlowRecorder({
  directory,
  gateway: 'gateway.example.org',
  domain: 'example.org',
  bootId,
  worker: Number(worker),
  productVersion: '0.1.0',
  segmentBytes: 4 * 1024 * 1024,
});
// Whoever started it is gone.
process.once('disconnect', () => process.exit(0));
let made = 0;
/** That are due by now and not made. */
let due = 0;
const timer = setInterval(() => {
  const isFast = made < Number(count);
  due += (Number(isFast ? perSecond : thenPerSecond) * everyMs) / 1000;
  for (; due >= 1; due -= 1) {
    made += 1;
    recorder.request({ ...allowedFacts, id: `flow-${worker}-${made}` as FlowId }, answered);
  }
  if (made < Number(count) || thenPerSecond !== undefined) return;
  clearInterval(timer);
  recorder.close();
  process.disconnect?.();
}, everyMs);
