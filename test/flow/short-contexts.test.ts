import { join } from 'node:path';
import { expect, test } from 'vitest';
import { app } from '../lab/resources.ts';
import { framesIn, recordsIn, segmentsIn } from '../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from './flow-directory.ts';
import { allowedFacts, answered, upstream } from './samples.ts';

/** The kinds of the lines of one connection whose requests go to so many applications in turn, three times. */
async function linesOf(applications: number): Promise<string[]> {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  const targets = Array.from({ length: applications }, (_, index) => ({
    app: app({ name: `app-${index}` }),
    upstream: { ...upstream, port: 8000 + index },
  }));
  for (let round = 0; round < 3; round += 1) {
    for (const target of targets) recorder.request({ ...allowedFacts, ...target }, answered);
    await whenWritten(recorder);
  }
  recorder.close();
  const names = recordsIn(directory).map(({ unmapped }) => unmapped.postern['app']);
  expect(names).toEqual([targets, targets, targets].flatMap((each) => each.map((target) => target.app.name)));
  return framesIn(join(directory, segmentsIn(directory)[0] ?? '')).map((line) => line.charAt(2));
}

test('what the requests of a laptop have in common is written once for each of its applications, not with each record', async () => {
  expect(await linesOf(16)).toEqual([...Array<string>(16).fill('c'), 's', 's', 's']);
});

test('of one that has more open than is remembered it is written again, and no record says another application', async () => {
  expect(await linesOf(17)).toEqual([
    ...Array<string>(17).fill('c'),
    's',
    ...Array<string>(17).fill('c'),
    's',
    ...Array<string>(17).fill('c'),
    's',
  ]);
});
