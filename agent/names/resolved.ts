import type { NamesRequest } from './names-request.ts';
import { run, tryToRun } from './step.ts';
import type { Step } from './step.ts';

const link = 'postern0';
const ip = '/usr/sbin/ip';
const resolvectl = '/usr/bin/resolvectl';

export const resolvedProgram = resolvectl;

/**
 * systemd-resolved, by a link of our own with route-only domains: names of applications are asked of the agent's
 * resolver, and no others. Not in its global settings, since servers there are asked for every name besides. Nothing of
 * this is on disk: without the link, or after a restart of the machine, all is as it was.
 */
export const leadByResolved = ({ hosts, resolver }: NamesRequest): readonly Step[] => {
  const [address = '', port] = resolver.split(':');
  return [
    tryToRun(ip, 'link', 'add', link, 'type', 'dummy'),
    // resolved heeds a link only if that is up and has an address of global scope.
    run(ip, 'address', 'replace', `${address}/32`, 'dev', link, 'scope', 'global'),
    run(ip, 'link', 'set', link, 'up'),
    run(resolvectl, 'default-route', link, 'false'),
    run(resolvectl, 'dnssec', link, 'no'),
    run(resolvectl, 'dnsovertls', link, 'no'),
    run(resolvectl, 'llmnr', link, 'no'),
    run(resolvectl, 'mdns', link, 'no'),
    run(resolvectl, 'dns', link, port === '53' ? address : resolver),
    run(resolvectl, 'domain', link, ...hosts.map(({ host }) => `~${host}`)),
    run(resolvectl, 'flush-caches'),
  ];
};

export const undoResolved: readonly Step[] = [tryToRun(ip, 'link', 'delete', link)];
