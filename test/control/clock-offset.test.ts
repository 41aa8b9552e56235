import { expect, it } from 'vitest';
import { measureClock, readTracking } from '../../src/control/clock-offset.ts';
import { labSettings } from '../lab/gateway.ts';

const tracking = (behindSeconds: string, leap: string): string =>
  `D8EF2300,216.239.35.0,2,1760000000.123,${behindSeconds},0.000001,0.000002,-1.5,0.0,0.02,0.01,0.0005,64.2,${leap}`;

it('reads how far chrony says that the clock is off, and nothing where chrony does not know', () => {
  expect(readTracking(tracking('0.012345678', 'Normal'))).toEqual({ offsetMs: -12, against: 'chrony' });
  expect(readTracking(tracking('-1.5', 'Insert second'))).toEqual({ offsetMs: 1500, against: 'chrony' });
  for (const line of [tracking('0.1', 'Not synchronised'), '', 'x,y', tracking('fast', 'Normal')])
    expect(readTracking(line)).toEqual({ offsetMs: null, against: null });
});

it('says that nobody can be asked where Redis does not answer, and does not fail', async () => {
  const redis = { url: 'redis://127.0.0.1:1', prefix: 'nowhere' };
  const measured = await measureClock({ ...labSettings(), ledger: { redis } }, '/nowhere/postern.yaml');
  expect(measured.against).not.toBe('redis');
});
