import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isWorkerMessage } from '../../src/supervisor/worker-message.ts';

const dial = { type: 'dial', id: 1, network: 'finance', upstream: { host: '10.0.0.2', port: 22 } };

describe('a message of a worker', () => {
  it('is one of three forms', () => {
    expect(isWorkerMessage({ type: 'ready', port: 8443 })).toBe(true);
    expect(isWorkerMessage({ type: 'for-control', message: { type: 'hello' } })).toBe(true);
    expect(isWorkerMessage(dial)).toBe(true);
  });

  it.each([
    ['nothing', undefined],
    ['a text', 'ready'],
    ['another type', { type: 'dialled', id: 1, network: 'finance', address: '10.0.0.2' }],
    ['a type that every object inherits', { type: 'constructor' }],
    ['a port that is none', { type: 'ready', port: 0 }],
    ['a port that is a text', { type: 'ready', port: '8443' }],
    ['a dial without a network', { ...dial, network: undefined }],
    ['a dial with a list for a network', { ...dial, network: ['finance'] }],
    ['a dial without an upstream', { ...dial, upstream: null }],
    [
      'a dial to a host that is an object',
      { ...dial, upstream: { host: { toString: (): string => '10.0.0.2' }, port: 22 } },
    ],
    ['a dial to a port beyond all', { ...dial, upstream: { host: '10.0.0.2', port: 65_536 } }],
    ['a dial with a broken number', { ...dial, id: 1.5 }],
    ['nothing for the control process', { type: 'for-control', message: null }],
  ])('is not %s', (_, message) => {
    expect(isWorkerMessage(message)).toBe(false);
  });

  it('is looked at without a throw, whatever comes', () => {
    fc.assert(fc.property(fc.anything(), (message) => typeof isWorkerMessage(message) === 'boolean'));
  });
});
