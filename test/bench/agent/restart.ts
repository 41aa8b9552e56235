import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rowOf } from '../support/row.ts';
import type { Row } from '../support/row.ts';
import { start } from '../support/processes.ts';
import type { Stage } from './stage.ts';

const fleetScript = fileURLToPath(new URL('fleet.ts', import.meta.url));

/** A gateway with many agents that know no other is started again: the time until each of them has a session that works. */
export async function measureRestart(stage: Stage, agents: number): Promise<Row[]> {
  const [gateway] = stage.gateways;
  const { directory } = stage.installation;
  const fleet = await start(
    'all',
    [
      process.execPath,
      fleetScript,
      join(directory, 'agent'),
      join(directory, 'posture.json'),
      String(agents),
      gateway.address,
    ],
    { ready: new RegExp(`^connected ${agents}$`, 'm') },
  );
  try {
    const { stdout } = fleet.child;
    if (stdout === null) throw new TypeError('no output');
    const lines = createInterface({ input: stdout });
    const back = (async () => {
      for (;;) {
        const [line] = (await once(lines, 'line')) as [string];
        if (line === `connected ${agents}`) return performance.now();
      }
    })();
    const killed = performance.now();
    await gateway.kill();
    await gateway.up();
    const ready = performance.now();
    const all = await back;
    return [
      rowOf(
        `${agents} agents back, after their gateway accepts again`,
        'restartSeconds.afterReady',
        (all - ready) / 1000,
        's',
      ),
      rowOf('the same, after it was killed', 'restartSeconds.afterKill', (all - killed) / 1000, 's'),
    ];
  } finally {
    await fleet.stop();
  }
}
