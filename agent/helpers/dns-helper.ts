#!/usr/bin/env node
/*
 * Leads names of applications to the agent's resolver, as root; the agent itself has no privilege. It takes no input
 * from users: where the request lies is fixed, or said by a file of root's, and the request can only say which names lead
 * to which loopback addresses.
 *
 *   dns-helper apply   does what the agent's request says; undoes everything where there is none
 *   dns-helper undo    undoes everything
 *
 * A service manager runs `apply` whenever the request changes (a systemd path unit, launchd's WatchPaths) and when the
 * agent starts, and `undo` when the agent has ended, however it did.
 */
import process from 'node:process';
import { carryOut } from './names/carry-out.ts';
import { planNames } from './names/lead-names.ts';
import { readRequest } from './names/read-request.ts';
import { requestPath } from './names/request-path.ts';

const nothing = { version: 1 as const, resolver: '127.64.0.1:53', hosts: [] };
const [command, ...others] = process.argv.slice(2);
if ((command !== 'apply' && command !== 'undo') || others.length > 0) {
  process.stderr.write('usage: dns-helper apply|undo\n');
  process.exitCode = 2;
} else {
  try {
    const request = command === 'apply' ? readRequest(requestPath()) : undefined;
    await carryOut(planNames(process.platform, request ?? nothing));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
