import { createFlowRecorder } from '../../src/flow/recorder.ts';
import type { FlowId } from '../../src/domain/ids.ts';
import { allowedFacts, answered } from './samples.ts';

/**
 * A worker's recording and nothing else, to be killed: records flows without end and tells its parent of each only once it
 * is told that it is written. `DIRECTORY [pause]`: with `pause` it goes on after each failure to be healthy by itself.
 */
const [directory = ''] = process.argv.slice(2);
const recorder = createFlowRecorder({
  directory,
  gateway: 'gateway.example.org',
  domain: 'example.org',
  bootId: 'boot-child',
  worker: 1,
  productVersion: '0.1.0',
  segmentBytes: 300_000,
  onFailure: (error) => process.send?.({ failed: error.message }),
});
let next = 1;
let wasHealthy = true;

function recordSome(): void {
  const isHealthy = recorder.healthy();
  if (isHealthy !== wasHealthy) process.send?.({ healthy: isHealthy });
  wasHealthy = isHealthy;
  // As the gateway does: no new flows while they cannot be recorded.
  if (isHealthy) {
    for (let index = 0; index < 7; index += 1) {
      const id = `flow-${next}` as FlowId;
      next += 1;
      recorder.request({ ...allowedFacts, id }, answered);
      recorder.whenWritten(() => process.send?.({ written: id }));
    }
  }
  setImmediate(recordSome);
}
recordSome();
