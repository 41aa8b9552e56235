import { describe, expect, it } from 'vitest';
import { isRegistered, registrations } from '../../src/routing/registrations.ts';
import { app, network, stateOf } from '../lab/resources.ts';

const finance = network();
const school = network({ name: 'school', attach: { netns: 'pn-school' }, dns: ['10.0.0.53'] });

describe('what connectors may dial', () => {
  it('is, for each network, the upstreams of its own apps, each once and in order', () => {
    const state = stateOf(
      [school, finance],
      [
        app({ upstreams: ['http://10.0.0.3:8080', 'http://10.0.0.2:8080'] }),
        app({
          name: 'mail',
          protocol: 'tcp',
          ports: [25],
          upstreams: ['tcp://10.0.0.2:25', 'tcp://10.0.0.2:8080'],
        }),
        app({ name: 'marks', network: 'school', upstreams: ['https://marks.internal:443'] }),
      ],
    );
    expect(registrations(state)).toEqual([
      {
        name: 'finance',
        attach: { netns: 'pn-finance' },
        dns: [],
        upstreams: [
          { host: '10.0.0.2', port: 25 },
          { host: '10.0.0.2', port: 8080 },
          { host: '10.0.0.3', port: 8080 },
        ],
      },
      {
        name: 'school',
        attach: { netns: 'pn-school' },
        dns: ['10.0.0.53'],
        upstreams: [{ host: 'marks.internal', port: 443 }],
      },
    ]);
  });

  it('leaves out what nobody can read, and keeps the rest', () => {
    const upstreams = ['http://0x7f.1:80', 'http://10.0.0.2:99999', 'http://10.0.0.2:8080'];
    const [only] = registrations(stateOf([finance], [app({ upstreams })]));
    expect(only?.upstreams).toEqual([{ host: '10.0.0.2', port: 8080 }]);
  });

  it('keeps a UDP port and a TCP port of one number apart', () => {
    const apps = [
      app({ name: 'b', upstreams: ['udp://10.0.0.2:53'] }),
      app({ upstreams: ['tcp://10.0.0.2:53'] }),
    ];
    const [only] = registrations(stateOf([finance], apps));
    const [tcp, udp] = [
      { host: '10.0.0.2', port: 53 },
      { host: '10.0.0.2', port: 53, transport: 'udp' as const },
    ];
    expect(only?.upstreams).toEqual([tcp, udp]);
    expect(isRegistered([udp], udp)).toBe(true);
    expect(isRegistered([udp], tcp)).toBe(false);
    expect(isRegistered([tcp], udp)).toBe(false);
  });

  it('lists a network without apps, with nothing to dial, and no network that an app merely names', () => {
    expect(registrations(stateOf([finance], [app({ network: 'elsewhere' })]))).toEqual([
      { name: 'finance', attach: { netns: 'pn-finance' }, dns: [], upstreams: [] },
    ]);
  });

  it('does not depend on the order in which the ledger got to know of things', () => {
    const apps = [
      app(),
      app({ name: 'b', upstreams: ['http://10.0.0.1:1'] }),
      app({ name: 'c', network: 'school' }),
    ];
    expect(registrations(stateOf([finance, school], apps))).toEqual(
      registrations(stateOf([school, finance], apps.toReversed())),
    );
  });

  it('knows an upstream by host and port, not by a text that both make', () => {
    const known = [{ host: '10.0.0.2', port: 180 }];
    expect(isRegistered(known, { host: '10.0.0.2', port: 180 })).toBe(true);
    expect(isRegistered(known, { host: '10.0.0.21', port: 80 })).toBe(false);
    expect(isRegistered(known, { host: '10.0.0.2', port: 80 })).toBe(false);
  });
});
