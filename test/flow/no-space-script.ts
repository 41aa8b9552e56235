import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createFlowRecorder } from '../../src/flow/recorder.ts';
import { verifyFlows } from '../../src/flow/verify/verify-flows.ts';
import { linesIn } from '../lab/flow-records.ts';
import { allowedFacts, answered, deniedFacts, refused } from './samples.ts';

/** Fills a small disk with records, as a worker would. `DIRECTORY`; prints what it saw as JSON. */
const [directory = ''] = process.argv.slice(2);
const ballast = join(directory, 'ballast');
// What stands in for everything else on the disk, and is removed in the end.
writeFileSync(ballast, Buffer.alloc(200_000));
let failure = '';
const alive = setInterval(() => undefined, 1000);
const recorder = createFlowRecorder({
  directory,
  gateway: 'gateway.example.org',
  domain: 'example.org',
  bootId: 'boot-1',
  worker: 1,
  productVersion: '0.1.0',
  bounds: { maxBytes: undefined, minFreeBytes: 480_000 },
  onFailure: (error) => (failure ||= error.message),
});

let records = 0;
while (recorder.hasRoomFor('requests')) {
  recorder.request(allowedFacts, answered);
  records += 1;
  await nextTurn();
}
const { bavail, bsize } = statfsSync(directory);
const untilFull = { records, isHealthy: recorder.healthy(), freeBytes: bavail * bsize };

let refusals = 0;
let toldWritten = 0;
while (recorder.healthy()) {
  recorder.request(deniedFacts, refused);
  recorder.whenWritten(() => (toldWritten += 1));
  refusals += 1;
  await nextTurn();
}
const beyond = { refusals, failure, toldWritten };

rmSync(ballast);
const written = new Promise<void>((resolve) => recorder.whenSynced(resolve));
recorder.request(deniedFacts, refused);
await written;
const isHealthy = recorder.healthy();
recorder.close();
clearInterval(alive);
const { problems, streams } = await verifyFlows(directory);
process.stdout.write(
  JSON.stringify({
    untilFull,
    beyond,
    after: {
      isHealthy,
      written: recorder.written(),
      recorded: linesIn(directory).length,
      lost: streams.reduce((sum, { lost }) => sum + lost, 0),
      problems,
    },
  }),
);
