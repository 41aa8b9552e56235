import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { NatsSinkSettings } from '../../../src/contract/sinks.ts';
import type { ResolvedSink } from '../../../src/flow/sinks/resolved-sink.ts';
import { linesIn } from '../../lab/flow-records.ts';
import { makeOrganization } from '../../lab/pki.ts';
import { natsMissing, startNats } from '../../lab/servers/nats.ts';
import type { NatsServer } from '../../lab/servers/nats.ts';
import { recordEveryKind } from '../every-record.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered } from '../samples.ts';
import { delivered, eventually, makeDirectory, ship } from '../shipper/shipping.ts';

async function nats(config?: string): Promise<NatsServer> {
  const server = await startNats(config);
  onTestFinished(() => server.stop());
  return server;
}
function sinkFor(
  { port }: NatsServer,
  more: Partial<NatsSinkSettings> = {},
): ResolvedSink & { settings: NatsSinkSettings } {
  return {
    settings: {
      name: 'nats',
      type: 'nats',
      from: 'beginning',
      format: 'ocsf',
      servers: [`127.0.0.1:${port}`],
      subject: 'postern.records',
      timeoutSeconds: 5,
      ...more,
    },
  };
}
async function makeStream({ port }: NatsServer): Promise<void> {
  const connection = await connect({ servers: `127.0.0.1:${port}` });
  await (await jetstreamManager(connection)).streams.add({
    name: 'records',
    subjects: ['postern.records.*'],
  });
  await connection.close();
}
/** Subjects and texts of all that is in the stream, in its order. */
async function messagesOf({
  port,
}: NatsServer): Promise<{ subject: string; text: string; id: string | undefined }[]> {
  const connection = await connect({ servers: `127.0.0.1:${port}` });
  try {
    const manager = await jetstreamManager(connection);
    const { state } = await manager.streams.info('records');
    const consumer = await jetstream(connection).consumers.get('records');
    const messages: { subject: string; text: string; id: string | undefined }[] = [];
    if (state.messages === 0) return messages;
    for await (const message of await consumer.fetch({ max_messages: state.messages })) {
      const id = message.headers?.get('Nats-Msg-Id');
      messages.push({ subject: message.subject, text: message.string(), id });
      if (messages.length === state.messages) break;
    }
    return messages;
  } finally {
    await connection.close();
  }
}
async function spool(count?: number) {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const recorder = openRecorder(flows);
  const recordSome = async (): Promise<void> => {
    if (count === undefined) recordEveryKind(recorder);
    else for (let index = 0; index < count; index += 1) recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
  };
  await recordSome();
  return { flows, sinks, recordSome };
}

describe.skipIf(natsMissing !== '')(`a stream of a real NATS JetStream${natsMissing}`, () => {
  test('has a message for each record under its class, with its uid as id', async () => {
    const server = await nats();
    await makeStream(server);
    const { flows, sinks } = await spool();
    await delivered(await ship(flows, sinks, [sinkFor(server)]));
    expect(await messagesOf(server)).toEqual(
      linesIn(flows).map((text) => {
        const { class_uid: uid, metadata } = JSON.parse(text) as {
          class_uid: number;
          metadata: { uid: string };
        };
        return { subject: `postern.records.${uid}`, text, id: metadata.uid };
      }),
    );
  });

  test('what is sent again is there once', async () => {
    const server = await nats();
    await makeStream(server);
    const { flows } = await spool(20);
    for (const sinks of [makeDirectory(), makeDirectory()])
      await (await ship(flows, sinks, [sinkFor(server)])).stop(20_000);
    expect((await messagesOf(server)).map(({ text }) => text)).toEqual(linesIn(flows));
  });

  test('goes on where it was when the server comes back', async () => {
    const server = await nats();
    await makeStream(server);
    const { flows, sinks, recordSome } = await spool(30);
    const shipper = await ship(flows, sinks, [sinkFor(server)]);
    await delivered(shipper);
    await server.kill();
    await recordSome();
    await eventually(() => shipper.troubles.length > 0);
    await server.restart();
    await delivered(shipper);
    expect(new Set((await messagesOf(server)).map(({ text }) => text))).toEqual(new Set(linesIn(flows)));
  });

  test('waits where no stream takes the records, and says how to make one', async () => {
    const server = await nats();
    const { flows, sinks } = await spool(1);
    const shipper = await ship(flows, sinks, [sinkFor(server)]);
    await eventually(() => shipper.troubles.length > 0);
    expect((await shipper.health())[0]?.problem).toMatch(
      /no stream takes postern\.records\.\*: nats stream add/,
    );
    await makeStream(server);
    await delivered(shipper);
    expect(await messagesOf(server)).toHaveLength(1);
  });

  test('a record that the server will never take is refused with its reason', async () => {
    const server = await nats('max_payload: 1024');
    await makeStream(server);
    const { flows, sinks } = await spool(1);
    const shipper = await ship(flows, sinks, [sinkFor(server)]);
    await delivered(shipper);
    expect((await shipper.health())[0]).toMatchObject({ delivered: 0, refused: 1, problem: undefined });
  });

  test('over mutual TLS with a password, and in no other way', async () => {
    const organization = await makeOrganization();
    const [certificate, client] = [await organization.issueControl(), await organization.issueDevice()];
    const directory = makeDirectory();
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const server = await nats(`
      tls {
        cert_file: "${file('server.pem', certificate.chainPem)}"
        key_file: "${file('server.key', certificate.keyPem)}"
        ca_file: "${file('ca.pem', organization.deviceAuthorityPem)}"
        verify: true
      }
      authorization { user: postern, password: "a secret" }
      max_payload: 1024`);
    const plain = await nats();
    await makeStream(plain);
    const { flows, sinks } = await spool(1);
    const tls = { ca: organization.rootPem, certificate: client.chainPem, key: client.keyPem };
    const auth = { username: 'postern', passwordFile: 'f' };
    const named = (name: string, more: Partial<ResolvedSink>, at = server): ResolvedSink => ({
      ...sinkFor(at, { name, auth }),
      tls,
      secret: 'a secret',
      ...more,
    });
    const shipper = await ship(flows, sinks, [
      named('good', {}),
      named('password', { secret: 'another' }),
      named('authority', { tls: { ...tls, ca: organization.deviceAuthorityPem } }),
      named('name', { tls: { ...tls, serverName: 'nats.example.org' } }),
      named('pin', { tls: { ...tls, pinnedCertificates: ['0'.repeat(64)] } }),
      named('anonymous', { tls: { ca: organization.rootPem } }),
      named('downgrade', {}, plain),
    ]);
    await eventually(async () => {
      const [good, ...others] = await shipper.health();
      // Its record is longer than this server takes, which tells that it was let in.
      return good?.refused === 1 && others.every(({ problem }) => problem !== undefined);
    });
    expect(await messagesOf(plain)).toEqual([]);
  });
});
