import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Policy } from '../../src/domain/resources.ts';
import { describeFlow } from '../../src/cli/flows/flow-line.ts';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { recordsIn } from '../lab/flow-records.ts';
import { labApp, permitAll, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const shadow = (name: string, cedar: string): Policy => ({ kind: 'Policy', name, mode: 'shadow', cedar });
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;

beforeAll(async () => {
  app = await startApplication('grants');
  lab = await startLabGateway({
    apps: [labApp('grants', [app.url]), labApp('wiki', [app.url]), labApp('plain', [app.url])],
    policies: [
      { ...permitAll, cedar: 'permit (principal, action, resource) unless { resource == App::"wiki" };' },
      shadow(
        'no-writes',
        'forbid (principal, action, resource == App::"grants") when { context.request.method != "GET" };',
      ),
      shadow('open-wiki', 'permit (principal, action, resource == App::"wiki");'),
    ],
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  // The records of all this are checked against OCSF as the lab closes.
  await lab.close();
  app.close();
});
afterEach(() => expect(lab.errors).toEqual([]));

async function ask(method: string, name: string) {
  const host = `${name}.apps.example.org`;
  const socket = await alice.connect({ servername: host });
  const from = lab.recorder.records.length;
  const answer = await httpOn(
    socket,
    `${method} / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\nContent-Length: 0\r\n\r\n`,
  );
  socket.destroy();
  const record = await lab.recorder.next(({ kind }) => kind === 'request', from);
  const written = recordsIn(lab.recorder.directory).findLast(
    (each) => (each as { class_uid: number }).class_uid === 4002,
  );
  return { status: answer.status, shadow: record.facts.decision?.shadow, line: describeFlow(written) };
}

const outcome = { wouldAllow: [], wouldDeny: [], wouldChallenge: [], failed: [] };

describe('a shadow policy on live traffic', () => {
  it('is on record as one that would deny, and the request passes', async () => {
    const posted = await ask('POST', 'grants');
    expect(posted).toMatchObject({
      status: 200,
      shadow: { ...outcome, evaluated: ['no-writes'], wouldDeny: ['no-writes'] },
    });
    expect(posted.line).toContain('shadow no-writes would deny');
    const got = await ask('GET', 'grants');
    expect(got).toMatchObject({ status: 200, shadow: { ...outcome, evaluated: ['no-writes'] } });
    expect(got.line).not.toContain('shadow');
  });

  it('is on record as one that would allow, and the request is refused', async () => {
    const refused = await ask('GET', 'wiki');
    expect(refused).toMatchObject({
      status: 403,
      shadow: { ...outcome, evaluated: ['open-wiki'], wouldAllow: ['open-wiki'] },
    });
    expect(refused.line).toContain('denied, no-policy-permits, shadow open-wiki would allow');
  });

  it('is nowhere in the record of an application that it is not for', async () => {
    expect(await ask('GET', 'plain')).toMatchObject({ status: 200, shadow: undefined });
  });
});
