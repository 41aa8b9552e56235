import type { Command } from 'commander';
import { DeviceHistory, ListDevicesResponse } from '../../contract/control-api.ts';
import { isPseudonym } from '../../contract/session-token.ts';
import { deviceRoles, deviceStates } from '../../domain/device.ts';
import type { Device } from '../../domain/device.ts';
import type { RecordedAccess } from '../../flow/read/recorded-access.ts';
import { readAccesses } from '../../flow/read/read-accesses.ts';
import { addConnection, connectApi, listAll } from '../api-client.ts';
import type { ApiClient, ConnectionOptions } from '../api-client.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { parseDuration } from '../duration.ts';
import { flowDirectory } from '../flows/flow-directory.ts';
import { reidentify } from '../flows/flows-people.ts';
import { addOutput, printable, printData, tableLines } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';
import { formatFileProblem, loadResources } from '../resource-files.ts';
import { createReplay } from './replay-engine.ts';
import type { KnownDevice } from './replay-engine.ts';
import type { ReplayReport } from './replay-tally.ts';
import { applyOver, fetchResources } from './server-resources.ts';
import { requireSoundPolicies } from './simulation.ts';

interface ReplayOptions extends ConnectionOptions {
  readonly filename: string[];
  readonly since: number;
  readonly data?: string;
  readonly prune?: true;
  readonly output: OutputFormat;
}

export function registerPolicyReplay(group: Command): void {
  const command = group
    .command('replay')
    .description(
      'recorded flows against proposed policies: who would be denied or allowed; exits 1 for a difference',
    )
    .requiredOption(
      '-f, --filename <path...>',
      'the proposal: resource files or directories, laid over what there is',
    )
    .option('--since <duration>', 'how far back: 24h, 7d', parseDuration, parseDuration('7d'))
    .option('--prune', 'the files are the whole proposal: what they do not hold is gone')
    .option(
      '--data <dir>',
      'data directory whose flow records are read (default: the one in the context file)',
    );
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
Run it where the flow records are, on a gateway's server: it reads them itself, so that the server goes on serving and no
record travels. Policies, apps, groups and devices of now come from the control plane.

Each recorded access is judged twice, by the policies of now and by the proposal, with the facts of then: user, claims,
device, posture and its age, sign-in, address, request and time. Where records have pseudonyms, it takes the right to find
the names behind them, and the access log says so. What a record does not tell is not guessed: such flows
are counted by what is missing. It changes nothing.

Exit codes: 0 no access would be decided otherwise; 1 some would; 2 nothing was judged; 3 the server cannot be asked.

Examples:
  postern policy replay -f proposal.yaml --since 7d
  postern policy replay -f policies/ --prune --since 24h --data /var/lib/postern -o json`,
    )
    .action(async (options: ReplayOptions) => {
      const loaded = await loadResources(options.filename);
      if (loaded.problems.length > 0)
        throw new CliError(
          exitCodes.invalid,
          'Nothing was replayed',
          loaded.problems.map(formatFileProblem).map(printable),
        );
      const directory = await flowDirectory(options.data);
      const api = await connectApi(options);
      const present = await fetchResources(api);
      const files = loaded.resources.map(({ resource }) => resource);
      const proposed = options.prune === true ? files : applyOver(present, files);
      requireSoundPolicies(proposed, loaded.place);
      const since = Date.now() - options.since * 1000;
      const replay = createReplay(present, proposed, await fetchDevices(api, since));
      const names = createNames(api);
      const progress = createProgress();
      try {
        for await (const accesses of readAccesses(directory, since)) {
          await names.learn(accesses);
          for (const access of accesses) {
            if (access === 'malformed') replay.addMalformed();
            else replay.add(names.apply(access));
          }
          progress.add(accesses.length);
        }
      } catch (error) {
        if (error instanceof CliError) throw error;
        throw new CliError(
          exitCodes.invalid,
          `flow records in ${directory} cannot be read: ${(error as Error).message}`,
        );
      } finally {
        progress.clear();
      }
      const report = replay.report();
      printData(options.output, report, () => reportLines(report));
      if (report.changes.length > 0) process.exitCode = exitCodes.no;
    });
}

/** Policies go by names: where records have pseudonyms, the server is asked who is behind them. */
function createNames(api: ApiClient): {
  learn(accesses: readonly (RecordedAccess | 'malformed')[]): Promise<void>;
  apply(access: RecordedAccess): RecordedAccess;
} {
  const asked = new Set<string>();
  const known = new Map<string, string>();
  return {
    async learn(accesses) {
      const unknown = new Set<string>();
      for (const access of accesses) {
        const user = access === 'malformed' ? undefined : access.session.user;
        if (user !== undefined && !asked.has(user) && isPseudonym(user)) unknown.add(user);
      }
      for (const [pseudonym, user] of await reidentify(api, [...unknown], 'policy replay'))
        known.set(pseudonym, user);
      for (const pseudonym of unknown) asked.add(pseudonym);
    },
    apply(access) {
      const user = known.get(access.session.user ?? '');
      return user === undefined ? access : { ...access, session: { ...access.session, user } };
    },
  };
}

/** Requests for the history of a device that run at once. */
const atOnce = 8;

/** All devices, each with the states that it was in since a time (epoch milliseconds). */
async function fetchDevices(api: ApiClient, since: number): Promise<Map<string, KnownDevice>> {
  const pending = await listAll(async (query) => {
    const { devices: items, ...next } = await api.call('GET', `/v1/devices${query}`, ListDevicesResponse);
    return { items, ...next };
  });
  const known = new Map<string, KnownDevice>();
  const work = async (): Promise<void> => {
    for (let device = pending.pop(); device !== undefined; device = pending.pop()) {
      const { id, user, role, state, enrolledAt, changedAt } = device;
      const states =
        changedAt * 1000 < since || changedAt === enrolledAt
          ? [{ at: changedAt, state }]
          : (await api.call('GET', `/v1/devices/${encodeURIComponent(id)}/history`, DeviceHistory)).changes;
      known.set(id, {
        id,
        user,
        role: wordOf(deviceRoles, role),
        enrolledAt,
        states: states.map((change) => ({ at: change.at, state: wordOf(deviceStates, change.state) })),
      });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return known;
}

function wordOf<Word extends Device['role'] | Device['state']>(words: readonly Word[], text: string): Word {
  const word = words.find((known) => known === text);
  if (word === undefined)
    throw new CliError(
      exitCodes.invalid,
      `the server speaks of ${printable(text)}: it is of another version`,
    );
  return word;
}

/** Counts on a terminal, and only there. */
function createProgress(): { add(count: number): void; clear(): void } {
  let judged = 0;
  let shownAt = 0;
  const { stderr } = process;
  return {
    add(count) {
      judged += count;
      if (!stderr.isTTY || performance.now() - shownAt < 200) return;
      shownAt = performance.now();
      stderr.write(`\r${judged.toLocaleString('en')} flows`);
    },
    clear: () => void (stderr.isTTY && stderr.write('\r\u001b[K')),
  };
}

const maxRows = 50;

function reportLines(report: ReplayReport): string[] {
  const { judged, changes, drifted, beforePolicies, notJudged, malformed } = report;
  const rows = changes
    .slice(0, maxRows)
    .map(({ change, user, app, flows, because, samples }) => [
      change,
      user,
      app,
      String(flows),
      because.join(', '),
      samples.join(' '),
    ]);
  const total = changes.reduce((sum, { flows }) => sum + flows, 0);
  const counted = Object.entries(notJudged).map(
    ([why, flows]) => `${flows} flow(s) could not be judged: ${why}`,
  );
  return [
    ...(rows.length === 0 ? [] : tableLines(['CHANGE', 'USER', 'APP', 'FLOWS', 'BECAUSE', 'SUCH AS'], rows)),
    ...(changes.length > rows.length
      ? [`and ${changes.length - rows.length} more; -o json has them all`]
      : []),
    `${judged} flow(s) judged: ${total === 0 ? 'the proposal decides all of them as now.' : `the proposal decides ${total} otherwise than now.`}`,
    ...counted,
    ...(beforePolicies === 0 ? [] : [`${beforePolicies} flow(s) were refused before any policy was asked`]),
    ...(drifted === 0
      ? []
      : [
          `${drifted} flow(s) are decided otherwise now than they were then: policies or groups have changed since`,
        ]),
    ...(malformed === 0 ? [] : [`${malformed} line(s) are no records; see: postern flows verify`]),
  ];
}
