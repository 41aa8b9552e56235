import { readdirSync, readFileSync } from 'node:fs';

/** A process as the kernel tells of it. */
export interface ChildProcess {
  readonly pid: number;
  readonly uid: number;
}

/** The processes of a server that run a program, such as `flow/shipper/main`. */
export function childrenOf(server: number, program: string): ChildProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        const field = (name: string): number =>
          Number(new RegExp(`^${name}:\\t(\\d+)`, 'm').exec(status)?.[1]);
        const isIt = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(program);
        return isIt && field('PPid') === server ? [{ pid: Number(pid), uid: field('Uid') }] : [];
      } catch {
        // Ended while one looked.
        return [];
      }
    });
}
