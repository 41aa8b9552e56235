import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseDocument } from 'yaml';
import { buildExecutable } from '../../build/agent/executable.ts';
import { makeInstallation } from '../control/installation.ts';
import { measureIdle, settle } from './agent/idle-usage.ts';
import { fillLedger } from './control/start.ts';
import { serve } from './control/server.ts';
import { reportRows, rowOf } from './support/row.ts';
import { run, start } from './support/processes.ts';
import { user } from './support/target.ts';

/**
 * What the agent costs a laptop while nobody uses it: `npm run bench:agent-idle -- [--quick] [--json FILE] [--agent FILE]`.
 * The single file as laptops get it, enrolled at a real server that has an organization of 150 applications, with a
 * session to its gateway; posture is measured as always.
 */
const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    /** One that was built before. */
    agent: { type: 'string' },
  },
});
const lookSeconds = flags.quick ? 16 : 60;

const directory = await mkdtemp(join(tmpdir(), 'postern-idle-'));
const installation = await makeInstallation();
try {
  const agent = flags.agent ?? join(directory, 'postern-agent');
  if (flags.agent === undefined)
    await buildExecutable(fileURLToPath(new URL('../../agent/main.ts', import.meta.url)), agent);
  // Out of the page cache: a file that was just written lies there in pieces of 2 MB, each of which counts whole.
  await run(['sync', agent]);
  await run(['dd', `if=${agent}`, 'iflag=nocache', 'count=0']);
  await fillLedger(installation, { resources: true });
  // Where agents find the gateway: at the port that it takes.
  const settings = parseDocument(await readFile(installation.configFile, 'utf8'));
  settings.setIn(['gateway', 'addresses'], ['127.0.0.1:0']);
  await writeFile(installation.configFile, String(settings));
  const server = await serve(installation);
  const state = join(directory, 'state');
  const made = await installation.api(server.controlPort, 'POST', '/v1/enrollment-tokens', { user });
  await run([agent, 'enroll', `https://localhost:${server.controlPort}`, made.body.token, '--state', state]);
  // As its service has it.
  const unit = await readFile(
    fileURLToPath(new URL('../../deploy/agent/linux/postern-agent.service', import.meta.url)),
    'utf8',
  );
  const [name = '', value] = /^Environment=(.*)$/m.exec(unit)?.[1]?.split('=') ?? [];
  const env = { ...process.env, [name]: value };
  const laptop = await start('all', [agent, 'up', '--state', state, '--proxy-port', '0'], {
    ready: /^ready/m,
    env,
  });
  // The organization publishes no firewall, so it touches no rule of this machine.
  const firewallOptions = [
    '--state',
    state,
    '--directory',
    join(directory, 'kept'),
    '--published',
    directory,
  ];
  const firewall =
    process.getuid?.() === 0
      ? await start('all', [agent, 'firewall', 'run', ...firewallOptions], { env })
      : undefined;
  await settle(laptop.pid);
  const [idle, idleFirewall] = await Promise.all([
    measureIdle(laptop.pid, lookSeconds),
    firewall && settle(firewall.pid).then(() => measureIdle(firewall.pid, lookSeconds)),
  ]);
  await firewall?.stop();
  await laptop.stop();
  await server.stop();

  const rows = [
    rowOf('memory: resident', 'residentMegabytes', idle.residentBytes / 1e6, 'MB', 90),
    rowOf('memory: shared pages divided', 'proportionalMegabytes', idle.proportionalBytes / 1e6, 'MB'),
    rowOf('memory: written', 'privateDirtyMegabytes', idle.privateDirtyBytes / 1e6, 'MB'),
    rowOf('processor, posture included', 'cpuPercent', idle.cpuFraction * 100, '% of a core', 0.5),
    rowOf('wake-ups', 'wakeUpsPerSecond', idle.wakeUpsPerSecond, '/s'),
    ...(idleFirewall === undefined
      ? []
      : [
          rowOf('firewall: resident', 'firewallMegabytes', idleFirewall.residentBytes / 1e6, 'MB'),
          rowOf('firewall: written', 'firewallDirtyMegabytes', idleFirewall.privateDirtyBytes / 1e6, 'MB'),
          rowOf('firewall: processor', 'firewallCpuPercent', idleFirewall.cpuFraction * 100, '% of a core'),
        ]),
  ];
  console.log(`An idle agent with a session, looked at for ${lookSeconds} s.`);
  if (idleFirewall === undefined) console.log('Its firewall needs root and was not measured: sudo.');
  reportRows(rows, flags.json, (value) => value.toFixed(2));
} finally {
  await rm(directory, { recursive: true, force: true });
  await installation.remove();
}
