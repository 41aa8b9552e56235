import type { NamesRequest } from './names-request.ts';
import { run } from './step.ts';
import type { Step } from './step.ts';

const powershell = 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe';
const comment = 'postern-agent';

const script = (...lines: string[]): Step =>
  run(
    powershell,
    '-NoProfile',
    '-NonInteractive',
    '-Command',
    ["$ErrorActionPreference = 'Stop'", ...lines].join('; '),
  );

/** A command line of Windows has 32,767 characters at most. */
const hostsAScript = 60;
const removeOurs = `Get-DnsClientNrptRule | Where-Object Comment -eq '${comment}' | Remove-DnsClientNrptRule -Force`;

/**
 * The name resolution policy table: a rule for each host, exact, since a namespace without a dot before it is one name.
 * Hosts were checked to be letters, digits, hyphens and dots: nothing in them can end the string that they are in.
 * @throws where the resolver is not at port 53, for which the table has no words.
 */
export function leadByPolicyTable({ hosts, resolver }: NamesRequest): readonly Step[] {
  const [address = '', port] = resolver.split(':');
  if (port !== '53') throw new Error('Windows asks for names at port 53 only: set `resolver` so');
  const added = hosts.map(
    ({ host }) =>
      `Add-DnsClientNrptRule -Namespace '${host}' -NameServers '${address}' -Comment '${comment}'`,
  );
  const scripts: Step[] = [script(removeOurs)];
  for (let at = 0; at < added.length; at += hostsAScript)
    scripts.push(script(...added.slice(at, at + hostsAScript)));
  return [...scripts, script('Clear-DnsClientCache')];
}

export const undoPolicyTable: readonly Step[] = [script(removeOurs, 'Clear-DnsClientCache')];
