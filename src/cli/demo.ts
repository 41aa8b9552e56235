import { styleText } from 'node:util';
import type { Command } from 'commander';
import { demoChecks } from './demo/checks.ts';
import { flowRecordChecks } from './demo/record-checks.ts';
import { findNamespaceSupport, isInsideNamespaces, runInsideNamespaces } from './demo/private-networks.ts';
import { setStage } from './demo/stage.ts';
import type { Stage } from './demo/stage.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const milliseconds = (value: number): string => `${value.toFixed(0)} ms`.padStart(9);
const good = styleText('green', '✓');
const bad = styleText('red', '✗');

export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'the main job on this machine: two private networks, two applications, a gateway, two laptops',
    )
    .option('--check', 'do it unattended, look at each thing, and exit 0 only when all was seen')
    .option('--direct', 'attach the applications directly even where this machine has network namespaces')
    .addHelpText(
      'after',
      `
It changes nothing on this machine: all lies in a temporary directory and in namespaces of its own, and goes when it ends.

Examples:
  postern demo            stay up and print what to open and try
  postern demo --check    see it work in less than a minute`,
    )
    .action(async (options: { check?: true; direct?: true }) => {
      try {
        process.exitCode = await runDemo(options.check === true, options.direct === true);
      } finally {
        // The channel to whoever started us would keep this process up.
        if (process.connected) process.disconnect?.();
      }
    });
}

async function runDemo(check: boolean, direct: boolean): Promise<number> {
  if (!direct && !isInsideNamespaces()) {
    const support = await findNamespaceSupport();
    if (support !== undefined) return await runInsideNamespaces(support, process.argv.slice(1));
  }
  const isolated = isInsideNamespaces();
  if (!isolated) {
    print(
      direct
        ? 'The applications are attached directly, as asked for: this shows everything but the isolation.'
        : 'This machine lets us make no network namespaces (Linux with unshare, nsenter and ip is needed),\nso the applications are attached directly: this shows everything but the isolation.',
    );
  }

  // Whoever started us may be killed outright; the channel tells.
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    process.once('disconnect', () => resolve());
  });

  const started = performance.now();
  const stage = await setStage({ isolated, anyPorts: check, progress: (what) => print(`  … ${what}`) }).catch(
    (error: unknown) => {
      print(`${bad} ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    },
  );
  if (stage === undefined) return 1;
  try {
    for (const [what, time] of stage.timings) print(`${good} ${milliseconds(time)}  ${what}`);
    if (check) return await runChecks(stage, started);
    printInvitation(stage);
    await interrupted;
    print('\nClosing …');
    return 0;
  } finally {
    await stage.close();
  }
}

async function runChecks(stage: Stage, started: number): Promise<number> {
  let failed = 0;
  for (const check of [...demoChecks(), ...flowRecordChecks()]) {
    const start = performance.now();
    try {
      const seen = await withinTime(check.see(stage));
      print(`${good} ${milliseconds(performance.now() - start)}  ${check.title}: ${seen}`);
    } catch (error) {
      failed += 1;
      print(
        `${bad} ${milliseconds(performance.now() - start)}  ${check.title}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  const total = ((performance.now() - started) / 1000).toFixed(1);
  print(failed === 0 ? `All seen in ${total} s.` : `${failed} not seen, in ${total} s.`);
  return failed === 0 ? 0 : 1;
}

const checkBoundMilliseconds = 10_000;

async function withinTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`nothing seen within ${checkBoundMilliseconds / 1000} s`)),
      checkBoundMilliseconds,
    );
  });
  try {
    return await Promise.race([work, bound]);
  } finally {
    clearTimeout(timer);
  }
}

function printInvitation(stage: Stage): void {
  const { alice, bob, gatewayPort, caFile, directory, dataDirectory } = stage;
  const postern = `POSTERN_CONTEXT=${directory}/context.yaml POSTERN_SERVER=${stage.controlUrl} npx postern`;
  const curl = `curl --cacert ${caFile}`;
  print(`
${styleText('bold', 'Postern is up.')} Two networks ${stage.isolated ? 'that both use 10.0.0.2' : '(attached directly)'}, two applications, two laptops.

${styleText('bold', "On alice's laptop")} (proxy 127.0.0.1:${alice.proxyPort}, PAC http://127.0.0.1:${alice.proxyPort}/proxy.pac)
  ${curl} --proxy http://127.0.0.1:${alice.proxyPort} https://grants.apps.example.org/
  ${curl} --cert ${alice.stateDirectory}/device.crt --key ${alice.stateDirectory}/device.key \\
    --resolve grants.apps.example.org:${gatewayPort}:127.0.0.1 \\
    -H "Proxy-Authorization: Bearer $(npx postern-agent token --state ${alice.stateDirectory})" \\
    https://grants.apps.example.org:${gatewayPort}/
  npx postern-agent status --state ${alice.stateDirectory}
  a TCP program, the server speaks first (nc -X connect -x 127.0.0.1:${alice.proxyPort} payroll.apps.example.org 7000)
  in a browser: set the proxy above, trust ${caFile}, open https://grants.apps.example.org/

${styleText('bold', "On bob's")}, who may use payroll and not grants
  ${curl} --proxy http://127.0.0.1:${bob.proxyPort} https://grants.apps.example.org/

${styleText('bold', 'As the security team')}
  ${postern} get device
  ${postern} why --user ${bob.user} --device ${bob.device} --app grants
  ${postern} device revoke ${alice.device} --reason "stolen from a car"

${styleText('bold', 'As the SOC')}
  ${postern} flows tail --data ${dataDirectory}
  ${postern} flows verify --data ${dataDirectory}
  curl ${stage.operatorUrl}/metrics

Ctrl-C ends it and removes everything.`);
}
