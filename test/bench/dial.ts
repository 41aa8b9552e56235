import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createNamespace, namespacesAvailable } from '../lab/namespaces.ts';
import { startGreeter } from '../lab/speakers.ts';
import { dial, startServing } from '../supervisor/server.ts';

/**
 * What a way into a private network costs: `node test/bench/dial.ts [--json FILE] [--quick]`. Milliseconds from a worker's
 * question to a socket in its hands, over supervisor and connector, one at a time; beside it a plain connection from
 * this process. Also how many a second go through when many are asked for at once, and the memory of a connector.
 */
const { values: flags } = parseArgs({ options: { json: { type: 'string' }, quick: { type: 'boolean' } } });
const dials = flags.quick === true ? 200 : 500;
const quantile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? 0;

const local = await startGreeter('hello');
const inside = namespacesAvailable() ? createNamespace(['10.0.0.2']) : undefined;
await inside?.run(join(import.meta.dirname, '../lab/servers/greeter.ts'), ['10.0.0.2', '22', 'hello']);
const here = { host: '127.0.0.1', port: local.port };
const there = { host: '10.0.0.2', port: 22 };
const server = await startServing([
  { name: 'direct', attach: { direct: true }, dns: [], upstreams: [here] },
  ...(inside === undefined
    ? []
    : [{ name: 'namespace', attach: { netns: inside.name }, dns: [], upstreams: [there] }]),
]);

async function plain(): Promise<number> {
  const from = performance.now();
  const socket = connect(here);
  await once(socket, 'connect');
  const tookMs = performance.now() - from;
  socket.destroy();
  return tookMs;
}

async function throughConnector(network: string, upstream: typeof here): Promise<number> {
  const { tookMs, detail } = await dial(server.worker, network, upstream);
  if (tookMs === undefined) throw new Error(detail);
  return tookMs;
}

async function measure(one: () => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < dials + 20; round++) times.push(await one());
  return times.slice(20);
}

const rows: [string, string, number[]][] = [
  ['plain', 'connect from this process', await measure(plain)],
  ['direct', 'through a direct connector', await measure(() => throughConnector('direct', here))],
];
if (inside !== undefined) {
  rows.push([
    'namespace',
    'through a connector in a namespace',
    await measure(() => throughConnector('namespace', there)),
  ]);
}
const from = performance.now();
await Promise.all(Array.from({ length: dials }, () => throughConnector('direct', here)));
const perSecond = (dials / (performance.now() - from)) * 1000;

const { pid } = await server.logged('connector started');
const proportionalKb = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);

console.log(`one at a time, ${dials} dials each        median    p95     ms`);
for (const [, name, times] of rows) {
  console.log(
    `${name.padEnd(40)} ${quantile(times, 0.5).toFixed(2)}     ${quantile(times, 0.95).toFixed(2)}`,
  );
}
console.log(
  `${`${dials} at once, banner and echo included`.padEnd(40)} ${perSecond.toFixed(0)} dials a second`,
);
console.log(`${'memory of one connector (PSS)'.padEnd(40)} ${(proportionalKb / 1024).toFixed(0)} MiB`);
if (inside === undefined) console.log('not measured: namespaces (apt-get install iproute2, and run as root)');
if (flags.json !== undefined) {
  const dialMedianMs = Object.fromEntries(rows.map(([key, , times]) => [key, quantile(times, 0.5)]));
  writeFileSync(
    flags.json,
    JSON.stringify({ dialMedianMs, dialsPerSecond: { direct: perSecond }, connectorPssKb: proportionalKb }),
  );
}
await server.close();
await inside?.remove();
await local.close();
