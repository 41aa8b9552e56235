import type { NamesRequest } from './names-request.ts';

export const hostsFile = '/etc/hosts';

const begin =
  '# postern-agent: addresses of applications. Written by its helper, and taken away when it stops.';
const end = '# postern-agent: end';

/** The file without a block of ours; what others wrote stays, where our end mark is missing too. */
export function withoutBlock(text: string): string {
  const lines = text.split(/(?<=\n)/);
  const kept: string[] = [];
  let isOurs = false;
  for (const line of lines) {
    const bare = line.trimEnd();
    if (bare === begin) isOurs = true;
    else if (isOurs && bare === end) isOurs = false;
    else if (isOurs && /^127\.\S+ \S+$/.test(bare)) continue;
    else {
      isOurs = false;
      kept.push(line);
    }
  }
  return kept.join('');
}

/** The file with the addresses of what answers now. A name that leads nowhere is left to whoever knows it besides. */
export function withBlock(text: string, { hosts }: NamesRequest): string {
  const rest = withoutBlock(text);
  const lines = hosts.flatMap(({ host, address }) => (address === null ? [] : [`${address} ${host}\n`]));
  if (lines.length === 0) return rest;
  const glue = rest === '' || rest.endsWith('\n') ? '' : '\n';
  return `${rest}${glue}${begin}\n${lines.join('')}${end}\n`;
}
