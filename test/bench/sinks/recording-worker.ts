import type { FlowId } from '../../../src/domain/ids.ts';
import { createFlowRecorder } from '../../../src/flow/recorder.ts';
import { allowedFacts, answered } from '../../flow/samples.ts';

/**
 * A worker that only records: `DIRECTORY BOOT WORKER PER_SECOND [COUNT]`, without an end or COUNT of them. Started in numbers
 * and killed by the benchmark of the sinks.
 */
const [directory = '', bootId = '', worker = '1', perSecond = '1000', count = 'Infinity'] =
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
const timer = setInterval(() => {
  for (let index = 0; index < (Number(perSecond) * everyMs) / 1000 && made < Number(count); index += 1) {
    made += 1;
    recorder.request({ ...allowedFacts, id: `flow-${worker}-${made}` as FlowId }, answered);
  }
  if (made < Number(count)) return;
  clearInterval(timer);
  recorder.close();
  process.disconnect?.();
}, everyMs);
