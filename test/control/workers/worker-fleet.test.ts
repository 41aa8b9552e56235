import { expect, it } from 'vitest';
import { createWorkerFleet } from '../../../src/control/workers/worker-fleet.ts';

it('resolves at once where there are no workers, and with the last of them where there are', async () => {
  const fleet = createWorkerFleet();
  expect(await fleet.applied(5, 10_000)).toMatchObject({ pending: 0 });
  fleet.started(1);
  fleet.started(2);
  let isDone = false;
  const waiting = fleet.applied(5, 10_000).then((result) => {
    isDone = true;
    return result;
  });
  fleet.acknowledged(1, 7);
  fleet.acknowledged(2, 4);
  await Promise.resolve();
  expect(isDone).toBe(false);
  fleet.acknowledged(2, 5);
  expect(await waiting).toMatchObject({ pending: 0 });
});

it('does not wait for a worker that died, nor count one that never said hello', async () => {
  const fleet = createWorkerFleet();
  fleet.started(1);
  fleet.acknowledged(9, 100);
  const waiting = fleet.applied(1, 10_000);
  fleet.gone(1);
  expect(await waiting).toMatchObject({ pending: 0 });
  expect([...fleet.workers.keys()]).toEqual([]);
});

it('does not take an older acknowledgement for a newer one, and takes a worker that starts anew for unknown', async () => {
  const fleet = createWorkerFleet();
  fleet.started(1);
  fleet.acknowledged(1, 8);
  fleet.acknowledged(1, 3);
  expect(await fleet.applied(8, 10_000)).toMatchObject({ pending: 0 });
  fleet.started(1);
  expect(await fleet.applied(8, 1)).toMatchObject({ pending: 1 });
});
