import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import { readFile } from 'node:fs/promises';
import type { WebSocket } from 'undici';
import type { Stage } from './stage.ts';

/** One thing that the demo must see for itself. `see` returns what it saw, in a few words, or throws. */
export interface Check {
  readonly title: string;
  see(stage: Stage): Promise<string>;
}

const grants = 'grants.apps.example.org';
const payroll = 'payroll.apps.example.org';

function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

const codeOf = (body: string): string => {
  try {
    return String((JSON.parse(body) as { code?: unknown }).code);
  } catch {
    return `no problem details: ${body.slice(0, 80)}`;
  }
};

async function nextLine(socket: Socket): Promise<string> {
  const lines = createInterface({ input: socket });
  const [line] = (await once(lines, 'line')) as [string];
  lines.close();
  return line;
}

/** Open flows that a later check expects to be cut. */
interface OpenFlows {
  readonly webSocket: WebSocket;
  readonly tunnel: Socket;
}

export function demoChecks(): readonly Check[] {
  let open: OpenFlows | undefined;

  return [
    {
      title: 'the web application answers through the agent, as itself',
      async see({ alice }) {
        const answer = await alice.get(`https://${grants}/`);
        expect(answer.status === 200, `it answered ${answer.status}: ${answer.body.slice(0, 200)}`);
        const seen = JSON.parse(answer.body) as Record<string, string>;
        expect(seen['application'] === 'grants', `another application answered: ${answer.body}`);
        expect(seen['user'] === alice.user && seen['device'] === alice.device, `it saw ${answer.body}`);
        return `${seen['application']} at ${seen['address']} saw ${seen['user']}`;
      },
    },
    {
      title: 'its WebSocket opens through the agent',
      async see({ alice }) {
        const webSocket = await alice.openWebSocket(`wss://${grants}/live`);
        open = { webSocket, tunnel: await alice.openTunnel(`${payroll}:7000`) };
        return 'open, and kept open';
      },
    },
    {
      title: 'the TCP application answers through the agent, speaking first, as itself',
      async see() {
        expect(open !== undefined, 'the tunnel is not open');
        const banner = await nextLine(open.tunnel);
        expect(banner === '220 payroll ready', `the banner was ${banner}`);
        const heard = nextLine(open.tunnel);
        open.tunnel.write('hello\r\n');
        expect((await heard) === 'payroll heard hello', `it answered ${await heard}`);
        return `${banner}; kept open`;
      },
    },
    {
      title: 'a user without the right policy is refused, where another policy lets him in',
      async see({ bob }) {
        const refused = await bob.get(`https://${grants}/`);
        expect(
          refused.status === 403 && codeOf(refused.body) === 'denied',
          `grants answered ${refused.status}`,
        );
        const tunnel = await bob.openTunnel(`${payroll}:7000`);
        const banner = await nextLine(tunnel);
        tunnel.destroy();
        return `grants: 403 ${codeOf(refused.body)}; payroll: ${banner}`;
      },
    },
    {
      title: 'a laptop without a certificate is refused in the handshake',
      async see({ gatewayPort, caFile }) {
        const ca = await readFile(caFile);
        const socket = connect({ host: '127.0.0.1', port: gatewayPort, servername: grants, ca });
        // In TLS 1.3 the refusal arrives after the client's own Finished, so an answer is asked for.
        socket.write(`GET / HTTP/1.1\r\nHost: ${grants}\r\n\r\n`);
        const error = await new Promise<NodeJS.ErrnoException>((resolve, reject) => {
          socket.once('error', resolve);
          socket.once('data', () => reject(new Error('the gateway answered')));
          socket.once('end', () => reject(new Error('the gateway closed without an alert')));
        });
        expect(
          /certificate.required/i.test(`${error.code} ${error.message}`),
          `it failed with ${error.message}`,
        );
        return 'alert certificate_required';
      },
    },
    {
      title: 'a stolen token is refused on another laptop, and works on its own',
      async see({ alice, bob, gatewayPort, runner }) {
        const token = (await runner.run('postern-agent', ['token', '--state', alice.stateDirectory])).trim();
        const own = await alice.getDirect(grants, gatewayPort, token);
        expect(own.status === 200, `on its own laptop it got ${own.status}: ${own.body}`);
        const stolen = await bob.getDirect(grants, gatewayPort, token);
        expect(
          stolen.status === 401 && codeOf(stolen.body) === 'token-bound-elsewhere',
          `it got ${stolen.status}`,
        );
        return `401 ${codeOf(stolen.body)}`;
      },
    },
    {
      title: 'the device is revoked: its open WebSocket and TCP tunnel are cut',
      async see(stage) {
        expect(open !== undefined, 'nothing is open');
        const { webSocket, tunnel } = open;
        expect(webSocket.readyState === 1 && !tunnel.destroyed, 'the flows had closed before');
        const start = performance.now();
        const elapsed = (): number => performance.now() - start;
        const cut = Promise.all([
          new Promise<number>((resolve) => webSocket.addEventListener('close', () => resolve(elapsed()))),
          new Promise<number>((resolve) => tunnel.once('close', () => resolve(elapsed()))),
        ]);
        tunnel.on('error', () => tunnel.destroy());
        tunnel.resume();
        await stage.revoke(stage.alice.device, 'stolen from a car');
        const [webSocketCut, tunnelCut] = await cut;
        return `WebSocket after ${webSocketCut.toFixed(0)} ms, tunnel after ${tunnelCut.toFixed(0)} ms`;
      },
    },
    {
      title: 'its later handshakes are refused',
      async see({ alice, gatewayPort }) {
        const outcome = await alice
          .getDirect(grants, gatewayPort, 'none')
          .catch((error: unknown) => error as Error);
        expect(outcome instanceof Error, 'it was let in');
        return 'connection closed before any answer';
      },
    },
  ];
}
