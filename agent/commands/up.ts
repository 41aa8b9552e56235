import { once } from 'node:events';
import type { Command } from 'commander';
import { Option } from 'commander';
import { AgentError } from '../agent-error.ts';
import { startAgent } from '../agent.ts';
import type { RunningAgent } from '../agent.ts';
import { createLog } from '../log.ts';
import { createRecentLog } from '../recent-log.ts';
import { message, stateMessage } from '../messages.ts';
import { enrollmentLimits, fullJitter } from '../session/backoff.ts';
import { restartWithTpm, startAnew } from '../keys/restart-with-tpm.ts';
import { createTpmWait } from '../keys/wait-for-tpm.ts';
import { applyFleetSettings, loadFleetSettings } from '../state/fleet-file.ts';
import { checkStateDirectory } from '../state/state-directory.ts';
import { createSignInPrompt } from './sign-in-prompt.ts';
import { parsePort, postureProvider, enterState } from './command-context.ts';
import { stateOption, unsafePostureOption } from './command-context.ts';
import type { CommandContext } from './command-context.ts';

interface Options {
  readonly state?: string;
  readonly config?: string;
  readonly proxyPort?: number;
  readonly unsafePosture?: string;
  readonly logLevel: string;
}

/** `postern-agent up`: in the foreground until SIGTERM or SIGINT. */
export function addUpCommand(program: Command, context: CommandContext): void {
  program
    .command('up')
    .description('connect and stay connected; prints `ready` when flows can pass')
    .option(...stateOption)
    .option(
      '--config <file>',
      'settings of the organization, such as /etc/postern-agent/agent.yaml; enrolls by them',
    )
    .option('--proxy-port <port>', 'port of the local proxy on 127.0.0.1; 0 takes a free one', parsePort)
    .option(...unsafePostureOption)
    .addOption(
      new Option('--log-level <level>', 'of the JSON log on standard error')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('warn'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  postern-agent up\n  postern-agent up --proxy-port 8118 --log-level info\n  postern-agent up --config /etc/postern-agent/agent.yaml',
    )
    .action(async (options: Options) => {
      const stop = new AbortController();
      const stopped = once(stop.signal, 'abort');
      const onSignal = (): void => stop.abort();
      process.once('SIGTERM', onSignal);
      process.once('SIGINT', onSignal);
      const directory = enterState(context, options.state);
      if (options.config !== undefined) await followFleet(context, options.config, directory, stop.signal);
      if (stop.signal.aborted) return;
      const paths = checkStateDirectory(directory);
      await restartWithTpm(paths);
      const recent = createRecentLog();
      const log = createLog(options.logLevel, recent);
      if (options.unsafePosture !== undefined) log.warn({ file: options.unsafePosture }, 'unsafe posture');
      const ready = Promise.withResolvers<void>();
      // Before the agent can be found: to a process that does not listen to it, the signal is the end.
      let running: RunningAgent | undefined;
      process.on('SIGHUP', () => running?.reload());
      const waitForTpm = createTpmWait({
        paths,
        clock: context.clock,
        signal: stop.signal,
        isLost: () => running === undefined || running.view().state === 'key-unusable',
        startAnew: async () => {
          await running?.stop();
          startAnew(process.env);
        },
      });
      const agent = await startAgent({
        directory,
        ...(options.proxyPort === undefined ? {} : { proxyPort: options.proxyPort }),
        posture: postureProvider(context, options.unsafePosture),
        clock: context.clock,
        random: Math.random,
        log,
        recentLog: () => recent.lines(),
        language: context.language,
        signInPrompt: createSignInPrompt(context),
        onSignInFailure: (reason) => context.tell(message(context.language, 'sign-in-not-done', { reason })),
        onPortal: ({ url }) => context.tell(`${stateMessage(context.language, 'captive-portal')}: ${url}`),
        onState: ({ state, reason }) => {
          if (state === 'connected') ready.resolve();
          if (state === 'key-unusable') waitForTpm();
          if (state === 'stopped') return;
          const why = reason === undefined ? '' : `: ${reason}`;
          context.tell(`${stateMessage(context.language, state)}${why}`);
        },
      });
      running = agent;
      void ready.promise.then(() => context.print(`ready http://127.0.0.1:${agent.port}`));
      await stopped;
      await agent.stop();
    });
}

/**
 * Enrolls and sets up this laptop as its organization says. What it says wrong ends the command; a control plane that
 * cannot be reached is asked again, later and later, until it can or the signal aborts.
 */
async function followFleet(
  context: CommandContext,
  file: string,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const fleet = loadFleetSettings(file);
    try {
      const { tokenStays } = await applyFleetSettings(fleet, directory, context.clock);
      if (tokenStays)
        context.tell(
          message(context.language, 'enrollment-token-stays', { file: fleet.enrollmentTokenFile ?? '' }),
        );
      return;
    } catch (error) {
      if (!(error instanceof AgentError) || error.exitCode !== 3) throw error;
      context.tell(message(context.language, error.key, error.values));
      await context.clock.sleep(fullJitter(attempt, enrollmentLimits, Math.random), signal);
    }
  }
}
