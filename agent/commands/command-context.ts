import { InvalidArgumentError } from 'commander';
import type { Clock } from '../clock.ts';
import type { ExitCode } from '../agent-error.ts';
import type { Language } from '../language.ts';
import { message } from '../messages.ts';
import { laptopPosture } from '../posture/laptop-posture.ts';
import type { PostureProvider } from '../posture/posture-provider.ts';
import { statedPosture } from '../posture/unsafe-posture.ts';
import { actAsOwner } from '../state/act-as-owner.ts';
import { defaultStateDirectory } from '../state/state-directory.ts';

/** What a command sees of the process it runs in. */
export interface CommandContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly language: Language;
  readonly clock: Clock;
  /** Results, one line a call. */
  print(line: string): void;
  /** What is said to people beside results. */
  tell(line: string): void;
  /** The exit code of a command that ends without an error. */
  exit(code: ExitCode): void;
}

export const stateOption = [
  '--state <dir>',
  'state directory (default: $POSTERN_AGENT_STATE; for root, of the service)',
] as const;
export const unsafePostureOption = [
  '--unsafe-posture <file>',
  'JSON file that states the posture instead of measuring it; for demonstrations and tests only',
] as const;

export const stateDirectoryOf = (context: CommandContext, option: string | undefined): string =>
  option ?? defaultStateDirectory(context.environment);

/** The same, and from here on root acts as whoever the directory belongs to. */
export function enterState(context: CommandContext, option: string | undefined): string {
  const directory = stateDirectoryOf(context, option);
  actAsOwner(directory);
  return directory;
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (/^[0-9]{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('A port from 0 to 65535; 0 takes a free one.');
}

/** Where posture comes from; what is unsafe is said aloud each time. */
export function postureProvider(context: CommandContext, unsafeFile: string | undefined): PostureProvider {
  if (unsafeFile === undefined) return laptopPosture(context.clock);
  context.tell(message(context.language, 'unsafe-posture', { file: unsafeFile }));
  return statedPosture(unsafeFile, context.clock);
}
