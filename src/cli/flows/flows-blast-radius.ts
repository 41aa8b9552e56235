import { Option } from 'commander';
import type { Command } from 'commander';
import { BlastRadius } from '../../contract/blast-radius.ts';
import { addConnection, connectApi } from '../api-client.ts';
import type { ConnectionOptions } from '../api-client.ts';
import { parseMoment } from '../moment.ts';
import { outputFormats, printable, printData, printLine, tableLines } from '../terminal/output.ts';

interface BlastRadiusOptions extends ConnectionOptions {
  readonly since?: number;
  readonly until?: number;
  readonly from?: string;
  readonly output: (typeof outputFormats)[number] | 'markdown';
}

export function registerFlowsBlastRadius(group: Command): void {
  const command = group
    .command('blast-radius')
    .description('all that a device reached, tried, and could reach by the policies of now')
    .argument('<device>', 'its id')
    .option(
      '--since <moment>',
      'from 30d ago (default), 24h ago, 2026-11-27, 2026-11-27T13:00:00Z on',
      parseMoment,
    )
    .option('--until <moment>', 'only before then', parseMoment)
    .option('--from <sink>', 'by the records in the object storage of this sink')
    .addOption(
      new Option('-o, --output <format>', 'how to print data')
        .choices([...outputFormats, 'markdown'])
        .default('table'),
    );
  addConnection(command)
    .addHelpText(
      'after',
      `
What it could reach is judged for each who used it, with the posture that it last reported, and with the groups and the sign-in that the newest
record says of the user; of an application its first page. A challenge counts: whoever has the laptop may have the user, too.

Examples:
  postern flows blast-radius d-x2k7… --since 30d
  postern flows blast-radius d-x2k7… --since 2026-11-01 -o markdown > incident.md`,
    )
    .action(async (device: string, { since, until, from, output, ...connection }: BlastRadiusOptions) => {
      const query = new URLSearchParams({
        ...(since === undefined ? {} : { since: String(since) }),
        ...(until === undefined ? {} : { until: String(until) }),
        ...(from === undefined ? {} : { from }),
      });
      const api = await connectApi(connection);
      const path = `/v1/flows/blast-radius/${encodeURIComponent(device)}?${query.toString()}`;
      const radius = await api.call('GET', path, BlastRadius);
      const sections = sectionsOf(radius);
      if (output === 'markdown') for (const line of markdownLines(radius, sections)) printLine(line);
      else printData(output, radius, () => textLines(radius, sections));
    });
}

interface Section {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const iso = (time: number): string => new Date(time).toISOString().slice(0, 16).replace('T', ' ');
const megabytes = (bytes: number): string => (bytes / 1_000_000).toFixed(1);

function sectionsOf({ reached, tried, couldReach }: BlastRadius): Section[] {
  return [
    {
      title: 'Reached',
      columns: ['APP', 'NETWORK', 'USERS', 'TIMES', 'MB UP', 'MB DOWN', 'FIRST', 'LAST'],
      rows: reached.map(({ app, network, users, allowed, bytesIn, bytesOut, first, last }) => [
        app ?? '-',
        network ?? '-',
        users.join(' '),
        String(allowed),
        megabytes(bytesIn),
        megabytes(bytesOut),
        iso(first),
        iso(last),
      ]),
    },
    {
      title: 'Tried and was refused',
      columns: ['APP', 'NETWORK', 'USERS', 'TIMES', 'WHY', 'FIRST', 'LAST'],
      rows: tried.map(({ app, network, users, denied, refusals, first, last }) => [
        app ?? '-',
        network ?? '-',
        users.join(' '),
        String(denied),
        refusals.join(' '),
        iso(first),
        iso(last),
      ]),
    },
    {
      title: 'Could reach now',
      columns: ['APP', 'NETWORK', 'USER', 'HOW', 'POLICIES', 'REACHED'],
      rows: couldReach.map(({ app, network, user, effect, reasons, policies, reached }) => [
        app,
        network,
        user ?? '-',
        effect === 'allow' ? 'at once' : `after ${reasons.join(' and ')}`,
        policies.join(' '),
        reached ? 'yes' : 'not yet',
      ]),
    },
  ];
}

const headOf = ({ device, since, until, apps, couldReach, policyVersion }: BlastRadius): string =>
  printable(
    `${device.id}, ${device.role} of ${device.user}, ${device.state}; ${iso(since)} to ${iso(Math.min(until, Date.now()))} UTC; could reach ${new Set(couldReach.map(({ app }) => app)).size} of ${apps} applications (policies ${policyVersion})`,
  );

const assumedOf = ({ assumed }: BlastRadius): string[] =>
  assumed.map(({ user, posture, claims, signIn }) =>
    printable(
      `Assumed of ${user ?? 'the machine'}: posture ${posture}, groups of the identity provider ${claims}, sign-in ${signIn}.`,
    ),
  );

const textLines = (radius: BlastRadius, sections: readonly Section[]): string[] => [
  headOf(radius),
  ...sections.flatMap(({ title, columns, rows }) => [
    '',
    `${title}: ${rows.length === 0 ? 'nothing' : ''}`.trimEnd(),
    ...(rows.length === 0 ? [] : tableLines(columns, rows)),
  ]),
  '',
  ...assumedOf(radius),
];

/** A cell of a table; what others wrote must not end it, or be markup. */
const cell = (text: string): string => printable(text).replaceAll(/[\\|`*_<>[\]]/g, '\\$&');

const markdownLines = (radius: BlastRadius, sections: readonly Section[]): string[] => [
  `# Blast radius of ${cell(radius.device.id)}`,
  '',
  cell(headOf(radius)),
  ...sections.flatMap(({ title, columns, rows }) => [
    '',
    `## ${title}`,
    '',
    ...(rows.length === 0
      ? ['Nothing.']
      : [
          `| ${columns.join(' | ')} |`,
          `| ${columns.map(() => '---').join(' | ')} |`,
          ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
        ]),
  ]),
  '',
  ...assumedOf(radius).map(cell),
];
