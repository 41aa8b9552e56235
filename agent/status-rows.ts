import { gatewayText, standbyText } from './gateway-text.ts';
import { message, stateMessage } from './messages.ts';
import type { Language } from './language.ts';
import type { AgentStatus, Leg } from './status.ts';

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();

const legText = (leg: Leg): string =>
  leg.ok
    ? `ok (${Math.round(leg.ms ?? 0)} ms)`
    : [leg.reason, leg.code && `(${leg.code})`].filter(Boolean).join(' ');

/** A status as label and text, for the table on a terminal and for the page. */
export function statusRows(status: AgentStatus, language: Language): [label: string, text: string][] {
  const label = (name: Parameters<typeof message>[1]): string => message(language, name);
  const { firewall, gateway, lastRefusal, posture, probe } = status;
  const reason = status.reason === undefined ? '' : ` (${status.reason})`;
  const rows: [string, string | undefined][] = [
    [label('label-state'), `${stateMessage(language, status.state)}${reason}`],
    [label('label-device'), status.device],
    [label('label-user'), status.user],
    [label('label-signed-in'), status.signedIn && `${status.signedIn.user} (${time(status.signedIn.until)})`],
    [label('label-control'), legText(probe.control)],
    [
      label('label-gateway'),
      [gateway && gatewayText(gateway, language), legText(probe.gateway)].filter(Boolean).join(': '),
    ],
    [label('label-standby'), standbyText(status, language)],
    [label('label-since'), gateway && time(gateway.since)],
    [label('label-token'), status.tokenExpiresAt === undefined ? undefined : time(status.tokenExpiresAt)],
    [label('label-certificate'), time(status.certificateExpiresAt)],
    [label('label-key'), label(`key-${status.key}`)],
    [label('label-proxy'), status.proxy],
    ...Object.entries(posture?.checks ?? {}).map(([criterion, value], index): [string, string] => [
      index === 0 ? label('label-posture') : '',
      `${criterion} ${String(value)} (${posture?.reasons[criterion] ?? ''})`,
    ]),
    [
      label('label-firewall'),
      firewall &&
        [firewall.name, label(`firewall-${firewall.state}`), firewall.reason, firewall.refused]
          .filter((part) => part !== undefined)
          .join(', '),
    ],
    ...status.apps.map((app, index): [string, string] => [
      index === 0 ? label('label-apps') : '',
      `${app.name} ${app.host} ${app.protocol} ${app.ports.join(',')}`.trimEnd(),
    ]),
    ...interceptRows(status.intercept, language),
    [
      label('label-last-refusal'),
      lastRefusal &&
        `${time(lastRefusal.at)} ${lastRefusal.title} (${lastRefusal.code}) ${lastRefusal.flowId ?? ''}`.trimEnd(),
    ],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== undefined);
}

/** Ports of each host as they answer here, then each that does not, with what to do about it. */
function interceptRows(intercept: AgentStatus['intercept'], language: Language): [string, string][] {
  if (intercept === undefined) return [];
  const { hosts, problems, resolver } = intercept;
  return [
    [message(language, 'label-resolver'), resolver],
    ...hosts.map(({ host, address, ports }, index): [string, string] => [
      index === 0 ? message(language, 'label-intercepted') : '',
      `${host} ${address} ${ports.join(',')}`.trimEnd(),
    ]),
    ...problems.map(({ place, host = '', problem }, index): [string, string] => [
      index === 0 ? message(language, 'label-not-opened') : '',
      message(language, `listen-${problem}`, { place, host }).replace(' ()', ''),
    ]),
  ];
}
