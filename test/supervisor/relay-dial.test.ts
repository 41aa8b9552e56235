import { describe, expect, it } from 'vitest';
import type { SupervisorToWorker } from '../../src/contract/ipc.ts';
import type { DialResult } from '../../src/supervisor/dial-result.ts';
import { createDialRelay } from '../../src/supervisor/relay-dial.ts';

const upstream = { host: '10.0.0.2', port: 22 };
const ask = (id: number) => ({ type: 'dial' as const, id, network: 'finance', upstream });

/** Connectors that answer when they are told to, and a worker whose channel takes messages when it is told to. */
function lab(most: number) {
  const answers: ((result: DialResult) => void)[] = [];
  const sent: { worker: number; message: SupervisorToWorker; take: () => void }[] = [];
  const relay = createDialRelay(
    { dial: (_network, _upstream, answer) => void answers.push(answer) },
    {
      send: (worker, message, _handle, taken = () => undefined) =>
        void sent.push({ worker, message, take: () => taken() }),
    },
    most,
  );
  let closed = 0;
  const handle = () => ({ close: () => void (closed += 1) });
  return { relay, answers, sent, handle, closed: () => closed };
}

describe('the relay of dials', () => {
  it('frees its copy of a handle when it was sent, and not before', () => {
    const { relay, answers, sent, handle, closed } = lab(10);
    relay.dial(1, ask(5));
    answers[0]?.({ network: 'finance', address: '10.0.0.2', handle: handle() });
    expect(sent.map(({ worker, message }) => ({ worker, message }))).toEqual([
      { worker: 1, message: { type: 'dialled', id: 5, network: 'finance', address: '10.0.0.2' } },
    ]);
    expect(closed()).toBe(0);
    sent[0]?.take();
    expect(closed()).toBe(1);
  });

  it('refuses a worker that asks without taking, until it takes, and no other worker for that', () => {
    const { relay, answers, sent, handle } = lab(2);
    for (const id of [1, 2, 3]) relay.dial(1, ask(id));
    expect(sent[0]?.message).toMatchObject({ type: 'dial-failed', id: 3, failure: 'connector-unavailable' });
    relay.dial(2, ask(1));
    expect(answers).toHaveLength(3);
    answers[0]?.({ network: 'finance', address: '10.0.0.2', handle: handle() });
    relay.dial(1, ask(4));
    expect(answers).toHaveLength(3);
    sent[1]?.take();
    relay.dial(1, ask(5));
    expect(answers).toHaveLength(4);
  });

  it('owes nothing to a worker that is gone, and frees what comes for it', () => {
    const { relay, answers, sent, handle, closed } = lab(1);
    relay.dial(1, ask(1));
    relay.forget(1);
    answers[0]?.({ network: 'finance', address: '10.0.0.2', handle: handle() });
    sent[0]?.take();
    expect(closed()).toBe(1);
    relay.dial(1, ask(2));
    expect(answers).toHaveLength(2);
  });
});
