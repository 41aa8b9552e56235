import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { nft } from '../../../agent/posture/packet-filter.ts';
import { createNamespace, namespacesMissing } from '../../lab/namespaces.ts';
import type { LabNamespace } from '../../lab/namespaces.ts';

const missing = namespacesMissing ?? (existsSync(nft) ? undefined : 'apt-get install nftables');
const watcher = `
  import { watchPacketFilter } from ${JSON.stringify(new URL('../../../agent/posture/packet-filter.ts', import.meta.url).href)};
  void watchPacketFilter(() => console.log('changed'), new AbortController().signal);
  setInterval(() => {}, 60_000);`;

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
const nameOf = (pid: number): string => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();

describe.skipIf(missing !== undefined)(
  `changes of the packet filter${missing === undefined ? '' : ` [skipped: ${missing}]`}`,
  () => {
    let laptop: LabNamespace;
    beforeAll(() => {
      laptop = createNamespace(['10.99.0.1']);
    });
    afterAll(() => laptop.remove());

    it('are told as the kernel has them, by a program that ends with the agent however that ends', async () => {
      const inside = ['--net=/run/netns/' + laptop.name, '--'];
      const agent = spawn(
        'nsenter',
        [...inside, process.execPath, '--input-type=module', '--eval', watcher],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      try {
        const pid = agent.pid ?? 0;
        const monitor = await vi.waitFor(
          () => {
            const found = childrenOf(pid).find((child) => nameOf(child) === 'nft');
            expect(found).toBeDefined();
            return found ?? 0;
          },
          { timeout: 20_000 },
        );
        const told = once(createInterface({ input: agent.stdout }), 'line');
        // It may still be about to listen.
        const change = setInterval(
          () => spawn('nsenter', [...inside, nft, 'add table inet lab; delete table inet lab']),
          100,
        );
        expect(await told).toEqual(['changed']);
        clearInterval(change);
        agent.kill('SIGKILL');
        await once(agent, 'exit');
        await vi.waitFor(() => expect(existsSync(`/proc/${monitor}`)).toBe(false), { timeout: 20_000 });
      } finally {
        agent.kill('SIGKILL');
      }
    });
  },
);
