import { describe, expect, it } from 'vitest';
import type { NetworkRegistration } from '../../src/contract/ipc.ts';
import {
  connectorCommand,
  controlCommand,
  ownPrograms,
  workerCommand,
} from '../../src/supervisor/commands.ts';

const environment = {
  LANG: 'fr_FR.UTF-8',
  PATH: '/tmp/evil',
  NODE_OPTIONS: '--require /tmp/evil.js',
  POSTERN_PASSPHRASE: 'open sesame',
  AWS_SECRET_ACCESS_KEY: 'x',
  HOME: '/root',
};
const registration = (attach: NetworkRegistration['attach']): NetworkRegistration => ({
  name: 'finance',
  attach,
  dns: [],
  upstreams: [],
});

describe('how children are started', () => {
  it('gives workers and connectors nothing of the environment that is worth stealing or could steer them', () => {
    expect(workerCommand(ownPrograms.worker, environment).env).toEqual({
      LANG: 'fr_FR.UTF-8',
      // Where libraries would look for settings and credentials of their own.
      HOME: '/nonexistent',
    });
    expect(
      connectorCommand(ownPrograms.connector, registration({ direct: true }), environment),
    ).toMatchObject({
      env: { LANG: 'fr_FR.UTF-8' },
    });
  });

  it('keeps from the control process only the passphrase, which it is told, and options of Node', () => {
    expect(controlCommand(ownPrograms.control, environment).env).toEqual({
      LANG: 'fr_FR.UTF-8',
      PATH: '/tmp/evil',
      AWS_SECRET_ACCESS_KEY: 'x',
      HOME: '/root',
    });
  });

  it('runs what meets the network as another user, where the settings name one, and not otherwise', () => {
    const runAs = { uid: 990, gid: 991 };
    expect(workerCommand(ownPrograms.worker, environment, runAs)).toMatchObject(runAs);
    expect(
      connectorCommand(ownPrograms.connector, registration({ direct: true }), environment, runAs),
    ).toMatchObject(runAs);
    expect(workerCommand(ownPrograms.worker, environment)).not.toHaveProperty('uid');
  });

  it('starts absolute paths only', () => {
    for (const { file } of [
      workerCommand(ownPrograms.worker, environment),
      controlCommand(ownPrograms.control, environment),
    ])
      expect(file).toBe(process.execPath);
  });

  it.each(['.', '..'])('takes %s for no name of a namespace', (netns) => {
    expect(connectorCommand(ownPrograms.connector, registration({ netns }), environment)).toEqual({
      problem: `${netns} is not the name of a network namespace`,
    });
  });

  it('says how to make a namespace that is missing', () => {
    expect(
      connectorCommand(ownPrograms.connector, registration({ netns: 'pn-absent' }), environment),
    ).toEqual({
      problem: 'there is no network namespace pn-absent: make it with `ip netns add pn-absent`',
    });
  });
});
