import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { CliError, exitCodes } from './cli-error.ts';

/** Which server the commands talk to and with what, so that they need no options. */
const Context = Type.Object(
  {
    server: Type.Optional(Type.String()),
    apiKey: Type.Optional(Type.String()),
    /** A person who signed in: goes before the API key while it lasts. */
    login: Type.Optional(
      Type.Object(
        {
          token: Type.String(),
          user: Type.String(),
          expiresAt: Type.Integer({ description: 'epoch seconds' }),
        },
        { additionalProperties: false },
      ),
    ),
    /** The root that the server's certificate must be below, as PEM. */
    ca: Type.Optional(Type.String()),
    /** Data directory, where the server runs on this machine. */
    data: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);
export type Context = Static<typeof Context>;

export function contextPath(environment: NodeJS.ProcessEnv = process.env): string {
  const config = environment['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  return environment['POSTERN_CONTEXT'] ?? join(config, 'postern', 'context.yaml');
}

/** Empty where there is none. @throws CliError for one that cannot be read. */
export async function readContext(path: string): Promise<Context> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw new CliError(exitCodes.invalid, `${path} cannot be read: ${(error as Error).message}`);
  }
  let value: unknown;
  try {
    value = parse(text) ?? {};
  } catch {
    value = undefined;
  }
  // What it says is not shown: it holds a secret.
  if (!Value.Check(Context, value)) throw new CliError(exitCodes.invalid, `${path} is not a context file`);
  return value;
}

/**
 * Writes the context for its owner alone. An earlier one, which may hold the only copy of another server's API key, is
 * kept beside it; returns its new path.
 */
export async function writeContext(path: string, context: Context): Promise<string | undefined> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const kept = `${path}.previous`;
  const hadOne = await rename(path, kept).then(
    () => true,
    () => false,
  );
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(stringify(context));
    await file.sync();
  } finally {
    await file.close();
  }
  return hadOne ? kept : undefined;
}

/** Changes the context of the same server in place: whole or not at all, for its owner alone. */
export async function updateContext(path: string, context: Context): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const staged = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(staged, 'wx', 0o600);
  try {
    await file.writeFile(stringify(context));
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await rename(staged, path);
  } catch (error) {
    await rm(staged, { force: true });
    throw error;
  }
}
