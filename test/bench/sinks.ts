import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { printTable } from './support/table.ts';
import { measureKills } from './sinks/kills.ts';
import { measureMemory } from './sinks/memory.ts';
import { measureThroughput } from './sinks/throughput.ts';

/**
 * What delivering flow records costs and survives: `npm run bench:sinks -- [--quick] [--json FILE]`.
 * - `kills`: a worker and the process of the sinks, each killed 50 times (5 with --quick) at random under load, with a file, rsyslog,
 *   syslog-ng, Redis, NATS and object storage as receivers, those of them that are installed: which records of the spool each of them lacks.
 * - `memory`: what the process of the sinks holds while a receiver accepts and never reads.
 * - `throughput`: records a second by receiver and format, with everything on this machine.
 */
const { values: flags } = parseArgs({ options: { json: { type: 'string' }, quick: { type: 'boolean' } } });
const isQuick = flags.quick === true;

// However it ends, nothing is left of what it started: the receivers end with this process, and all files are in here.
const temporary = mkdtempSync(join(tmpdir(), 'postern-bench-sinks-'));
process.env['TMPDIR'] = temporary;
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

const figures = {
  kills: await measureKills(isQuick ? 5 : 50),
  memory: await measureMemory(isQuick ? 20_000 : 60_000),
  throughput: await measureThroughput(isQuick ? 10_000 : 50_000),
};
for (const [title, rows] of Object.entries(figures)) {
  process.stdout.write(`\n${title}\n`);
  printTable(
    rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([key, value]) => [key.replaceAll('_', ' '), String(value)]),
      ),
    ),
  );
}
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(figures, null, 2)}\n`);
if (figures.kills.some(({ missing, behind }) => missing + behind > 0)) process.exitCode = 1;
