import { pathToFileURL } from 'node:url';
import { criterionMeanings, postureFacts } from '../../src/contract/posture.ts';
import { postureChecks } from './checks.ts';
import type { PlatformCheck } from './posture-check.ts';
import { protectionFile } from './protection-programs.ts';

/**
 * The page docs/posture.md, rendered from the tables of criteria and checks. A test keeps the two equal. To write it anew:
 *
 *     node agent/posture/posture-page.ts > docs/posture.md
 */
export function renderPosturePage(): string {
  return [
    '# Posture',
    '',
    '<!-- Written by: node agent/posture/posture-page.ts > docs/posture.md. Do not edit. -->',
    '',
    'What the agent finds out about its laptop, for policies to ask for as `context.posture.NAME`. Each check says `true`,',
    '`false` or `unknown`, and why in a sentence: `postern-agent status` shows it on the laptop, and `postern device posture',
    'ID` to the security team, for a day. Unknown is never true to a policy.',
    '',
    '| criterion | `true` says that |',
    '| --- | --- |',
    ...postureChecks.map(({ criterion }) => `| \`${criterion}\` | ${criterionMeanings[criterion]} |`),
    '',
    'Beside them, in words:',
    '',
    '| fact | what it is |',
    '| --- | --- |',
    ...Object.entries(postureFacts).map(([name, { meaning }]) => `| \`${name}\` | ${meaning} |`),
    '',
    '## When it is measured',
    '',
    'At the start, with each session token, and whenever something changed: every four seconds the agent makes a few cheap',
    'looks (when files were changed, who is signed in, what is mounted), and listens to the kernel for changes of the packet',
    'filter where it may. Only where a look differs is the check itself made, and when its finding is older than its time.',
    'A check has five seconds (the one for updates a minute); one that hangs says so and holds up no other. A report',
    'that says something else than the one before goes to the control plane at once, and cuts what it no longer allows.',
    '`postern-agent status` makes the checks anew; that for updates only where something of it changed. So does `postern device',
    'posture ID --now` of the security team: the gateway asks on the laptop’s live session (a PING of HTTP/2), the agent measures',
    'and reports, and the command shows the report with the time it came. Exit code 1: no answer, since the laptop is off, asleep',
    'or has no session. Gateways of other servers are reached where the ledger is in Redis; a gateway that runs in a process of',
    'its own on the embedded ledger is not. Who asked is in the access log.',
    '',
    '## What each check looks at',
    '',
    'Programs are run by absolute path, only when root alone could have put them there, without a shell and without the',
    'environment of whoever started the agent. Nobody is asked over the network.',
    ...postureChecks.flatMap(({ criterion, platforms }) => [
      '',
      `### ${criterion}`,
      '',
      '| system | how | stands for at most |',
      '| --- | --- | --- |',
      ...systems.map(([platform, name]) => row(name, platforms[platform])),
    ]),
    '',
    'A check that only root can make is made by the helper that runs as root, which says what it found in a file that',
    'everybody may read and nobody else may write. Where it does not run, the check says what an ordinary user can see, or',
    '`unknown`.',
    '',
    '## Which program counts as protection',
    '',
    `A file names it, by absolute path, one a line: \`${protectionFile.linux}\`,`,
    `\`${protectionFile.darwin}\` or \`${protectionFile.win32}\`. It and the`,
    "programs must be root's alone, directories included. A program counts when a process of the system executes that very",
    'file: neither its name nor a copy of it will do, nor one that a user of the laptop started.',
    '',
    '```',
    '# /etc/postern-agent/protection',
    '/usr/sbin/clamd',
    '```',
    '',
  ].join('\n');
}

const systems = [
  ['linux', 'Linux'],
  ['darwin', 'macOS'],
  ['win32', 'Windows'],
] as const;

const row = (name: string, check: PlatformCheck | undefined): string =>
  check === undefined
    ? `| ${name} | no check: unknown | |`
    : `| ${name} | ${check.how} | ${Math.round(check.keepSeconds / 60)} min |`;

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(renderPosturePage());
