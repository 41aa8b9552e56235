import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureDeaths, measureDownloads, measureLatency } from './agent/measure.ts';
import { measureRestart } from './agent/restart.ts';
import { startSshTunnel } from './agent/ssh-tunnel.ts';
import { setStage } from './agent/stage.ts';
import type { Stage } from './agent/stage.ts';
import { descendants, run, start } from './support/processes.ts';
import { reportRows, rowOf } from './support/row.ts';
import type { Row } from './support/row.ts';

/**
 * What a laptop has of its agent: `npm run bench:agent -- [--quick] [--json FILE] [--only downloads|latency|deaths|restart]`. The real agent in a
 * process of its own, the real control plane, and two real gateways with one worker each, which are killed and started again. Downloads stand
 * beside one over TLS without anything in between, and one through `ssh -L` where OpenSSH's server is installed. Medians, with the
 * lowest and the highest of the rounds.
 *
 * Everything shares the cores of this machine, and figures are wall time: only those of one run compare.
 */
const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    only: { type: 'string', multiple: true },
  },
});
const scale = flags.quick
  ? { megabytes: 128, rounds: 3, requests: 500, kills: 1, agents: 300 }
  : { megabytes: 512, rounds: 7, requests: 5000, kills: 20, agents: 2000 };

const directory = mkdtempSync(join(tmpdir(), 'postern-bench-agent-'));
// Also when it is interrupted: there are keys in it.
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

const [key, certificate] = [join(directory, 'source.key'), join(directory, 'source.crt')];
await run([
  ...'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost'.split(
    ' ',
  ),
  ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate],
]);
const source = await start(
  'all',
  [
    process.execPath,
    fileURLToPath(new URL('agent/source.ts', import.meta.url)),
    String(scale.megabytes * 1024 * 1024),
    certificate,
    key,
  ],
  { ready: /^ready.*$/m },
);
const [plain = 0, tls = 0, http = 0] =
  /ready (\d+) (\d+) (\d+)/.exec(source.output)?.slice(1).map(Number) ?? [];
const sources = { plain, tls, http, certificatePem: readFileSync(certificate, 'utf8') };

const parts: Readonly<Record<string, (stage: Stage) => Promise<Row[]>>> = {
  downloads: async (stage) => {
    const ssh = await startSshTunnel(directory, plain);
    if (ssh === undefined)
      console.log('Not beside ssh -L, since sshd was not found: apt-get install openssh-server');
    try {
      return await measureDownloads(stage, sources, ssh?.port, scale.rounds);
    } finally {
      await ssh?.stop();
    }
  },
  latency: (stage) => measureLatency(stage, sources, scale.requests),
  deaths: (stage) => measureDeaths(stage, scale.kills),
  restart: (stage) => measureRestart(stage, scale.agents),
};

const rows: Row[] = [];
const stage = await setStage({ plain, http });
try {
  for (const [name, measure] of Object.entries(parts)) {
    if (flags.only !== undefined && !flags.only.includes(name)) continue;
    console.log(`Measuring: ${name}`);
    const measured = await measure(stage);
    for (const { key, value, unit } of measured) console.log(`  ${key}: ${value.toPrecision(3)} ${unit}`);
    rows.push(...measured);
  }
  rows.push(
    rowOf(
      'memory of the agent, run from its sources, after all that',
      'agentResidentMegabytes',
      stage.agentMemory() / 1e6,
      'MB',
    ),
  );
} finally {
  await stage.stop();
  await source.stop();
  // Also what was measured before something went wrong.
  reportRows(rows, flags.json);
}
const left = descendants(process.pid);
if (left.length > 0) throw new Error(`left behind: processes ${left.join(' ')}`);
