import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Static } from 'typebox';
import {
  AdministratorSignInResponse,
  BeginSignInResponse,
  SignOutResponse,
} from '../contract/control-api.ts';
import { connectApi, createApiClient, resolveServer } from './api-client.ts';
import type { ApiClient } from './api-client.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { contextPath, readContext, updateContext } from './context-file.ts';
import { listenForAnswer } from './loopback-answer.ts';
import { printLine } from './terminal/output.ts';

interface LoginOptions {
  readonly server?: string;
  readonly ca?: string;
  readonly deviceCode: boolean;
}
type SignedIn = Extract<Static<typeof AdministratorSignInResponse>, { token: string }>;

const begin = '/v1/sign-in/administrator';
const tell = (line: string): void => void process.stderr.write(`${line}\n`);

export function registerLogin(program: Command): void {
  program
    .command('login')
    .description('sign in as a person who administers, for an hour')
    .option('--server <url>', 'control plane (or POSTERN_SERVER, or the context file)')
    .option('--ca <file>', 'PEM file of the root that the server must be below (or POSTERN_CA)')
    .option('--device-code', 'print a code to enter on another machine, where there is no browser', false)
    .addHelpText(
      'after',
      `
The roles are those that \`Administrator\` resources give to the user or to a claim of the identity provider. The token is kept,
with mode 0600, in the context file; the other commands use it before an API key until it is over.

A code (--device-code) is for machines without a browser, and off unless \`signIn.administratorDeviceCode: true\` stands in the
server's postern.yaml: whoever sends somebody a code of theirs to enter signs in as that person.

Examples:
  postern login
  postern login --server https://control.example.org:8444 --ca root.crt
  postern login --device-code`,
    )
    .action(async (options: LoginOptions) => {
      const target = await resolveServer(options);
      const api = createApiClient({ ...target, apiKey: undefined });
      const { token, user, roles, expiresAt } = options.deviceCode ? await byCode(api) : await byBrowser(api);
      const path = contextPath();
      const context = await readContext(path);
      // The API key of another server stays with that server.
      const kept = context.server === undefined || context.server === target.origin ? context : {};
      await updateContext(path, {
        ...kept,
        server: target.origin,
        ...(target.ca === undefined ? {} : { ca: target.ca }),
        login: { token, user, expiresAt },
      });
      const until = new Date(expiresAt * 1000).toISOString();
      printLine(`Signed in at ${target.origin} as ${user} (${roles.join(', ')}), until ${until}.`);
    });
}

export function registerLogout(program: Command): void {
  program
    .command('logout')
    .description('sign out: end the sign-in at the server, and forget it here')
    .addHelpText('after', '\nExample:\n  postern logout')
    .action(async () => {
      const path = contextPath();
      const context = await readContext(path);
      const { login, ...rest } = context;
      if (login === undefined) return printLine('Nobody was signed in.');
      const isOver = login.expiresAt * 1000 <= Date.now();
      const api = isOver ? undefined : await connectApi({ apiKey: login.token });
      // First here: whatever the server says, this machine shows it to nobody again.
      await updateContext(path, rest);
      await api?.call('POST', '/v1/sign-out', SignOutResponse);
      printLine(`Signed out ${login.user}.`);
    });
}

async function byBrowser(api: ApiClient): Promise<SignedIn> {
  const listener = await listenForAnswer();
  try {
    const { redirectUri } = listener;
    const begun = await api.call('POST', begin, BeginSignInResponse, { flow: 'code', redirectUri });
    if (!('authorizationUrl' in begun)) throw notUnderstood(api);
    const url = new URL(begun.authorizationUrl);
    if (url.protocol !== 'https:') throw notUnderstood(api);
    tell(`Open ${url.href} in a browser on this machine.`);
    const limitMs = Math.max(0, begun.expiresAt * 1000 - Date.now());
    const parameters = await listener
      .wait(url.searchParams.get('state') ?? '', Math.min(limitMs, 900_000))
      .catch((error: unknown) => {
        throw new CliError(exitCodes.no, (error as Error).message);
      });
    return await complete(api, { transaction: begun.transaction, parameters });
  } finally {
    listener.close();
  }
}

async function byCode(api: ApiClient): Promise<SignedIn> {
  const begun = await api.call('POST', begin, BeginSignInResponse, { flow: 'device-code' });
  if (!('userCode' in begun)) throw notUnderstood(api);
  tell(`Open ${begun.verificationUri} on any machine and enter the code ${begun.userCode}.`);
  tell('Enter it only if you asked for it yourself.');
  for (let seconds = begun.intervalSeconds; ; ) {
    await wait(seconds * 1000);
    const answer = await api.call('POST', `${begin}/complete`, AdministratorSignInResponse, {
      transaction: begun.transaction,
    });
    if ('token' in answer) return answer;
    seconds = answer.intervalSeconds;
  }
}

async function complete(
  api: ApiClient,
  body: { readonly transaction: string; readonly parameters: string },
): Promise<SignedIn> {
  const answer = await api.call('POST', `${begin}/complete`, AdministratorSignInResponse, body);
  if ('token' in answer) return answer;
  throw notUnderstood(api);
}

const notUnderstood = ({ server }: ApiClient): CliError =>
  new CliError(exitCodes.unreachable, `${server} answered in a way that is not the control plane's`);
