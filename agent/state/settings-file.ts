import { Type } from 'typebox';
import type { Static } from 'typebox';
import { stringify } from 'yaml';
import { AgentError } from '../agent-error.ts';
import { readOwnedFile } from './owned-file.ts';
import { parseYamlSettings } from './yaml-settings.ts';

export const defaultProxyPort = 8118;
export const defaultResolver = '127.64.0.1:53';

const byte = '(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])';
const portNumber = '(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])';

/** `agent.yaml`: written by `enroll`, read by every other command. Unknown keys are refused. */
export const AgentSettings = Type.Object(
  {
    version: Type.Literal(1),
    /** Origin of the control plane, such as https://control.example.org:8444. */
    control: Type.String({ pattern: '^https://[^/?#@]+$', maxLength: 300 }),
    device: Type.String({ minLength: 1, maxLength: 64 }),
    user: Type.String({ minLength: 1, maxLength: 254 }),
    domain: Type.String({ minLength: 1, maxLength: 253 }),
    /** Port of the local proxy on 127.0.0.1; 0 takes a free one at each start. */
    proxyPort: Type.Integer({ minimum: 0, maximum: 65_535 }),
    /**
     * When the user has to sign in: `browser` opens it, `print` says the address, `device-code` says a code to enter on
     * another machine. Without it: `browser`.
     */
    signIn: Type.Optional(Type.Enum(['browser', 'print', 'device-code'])),
    /** `loopback` gives the host of each application an address of this laptop, for programs without a proxy setting. */
    intercept: Type.Optional(Type.Literal('loopback')),
    /** Where the resolver of `intercept` answers: an address in 127.64.0.0/24 and a port. Without it: 127.64.0.1:53. */
    resolver: Type.Optional(Type.String({ pattern: `^127\\.64\\.0\\.${byte}:${portNumber}$` })),
    /** A plain http address that answers 204, to tell a network with a sign-in page of its own. Without it, the control plane's name. */
    portalProbe: Type.Optional(Type.String({ pattern: '^http://[!-~]+$', maxLength: 300 })),
  },
  { additionalProperties: false },
);
export type AgentSettings = Static<typeof AgentSettings>;

/** What people choose; the rest is what enrollment found. */
export type ChosenSettings = Partial<Pick<AgentSettings, 'proxyPort' | 'signIn' | 'intercept' | 'resolver'>>;

const header =
  '# Written by `postern-agent enroll`. proxyPort may be changed; 0 takes a free port at each start.\n' +
  '# signIn: browser (the default), print or device-code says how to ask for a sign-in where one is needed.\n' +
  '# intercept: loopback lets programs without a proxy setting reach applications; resolver: 127.64.0.1:53 is where it\n' +
  '# answers for their names.\n' +
  '# portalProbe: a plain http address that answers 204, to tell the sign-in page of a hotel.\n';

export const formatSettings = (settings: AgentSettings): string => header + stringify(settings);

/** Undefined where the file is not there; AgentError that names line and key of each mistake otherwise. */
export function loadSettings(path: string): AgentSettings | undefined {
  const text = readOwnedFile(path, 'public');
  return text === undefined ? undefined : parseSettings(path, text);
}

/** @throws AgentError that names line and key of each mistake, and `path` as where they are. */
export function parseSettings(path: string, text: string): AgentSettings {
  const parsed = parseYamlSettings(AgentSettings, text);
  if (parsed.ok) return Object.freeze(parsed.value);
  throw new AgentError(2, 'settings-invalid', { file: path, problems: parsed.problems.join('; ') });
}
