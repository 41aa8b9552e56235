import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ControlState } from '../../src/domain/control-state.ts';
import type { Device } from '../../src/domain/device.ts';
import type { NetworkName, UserName } from '../../src/domain/ids.ts';
import { identifyDevice } from '../../src/identity/device-identity.ts';
import { emptyState } from '../../src/ledger/fold.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { LabDevice, Organization } from '../lab/pki.ts';

const now = 1_800_000_000;
let organization: Organization;
let laptop: LabDevice;
let connector: LabDevice;
beforeAll(async () => {
  organization = await makeOrganization({ now: new Date(now * 1000) });
  laptop = await organization.issueDevice({ id: 'd-laptop' });
  connector = await organization.issueDevice({ id: 'c-finance', role: 'connector' });
});

const entry = (device: LabDevice, change: Partial<Device> = {}): Device => ({
  id: device.id,
  user: 'alice@example.org' as UserName,
  role: 'laptop',
  state: 'active',
  enrolledAt: now,
  changedAt: now,
  certificates: [device.issued],
  ...change,
});
function stateOf(...devices: Device[]): ControlState {
  const state = emptyState();
  state.domain = organization.domain;
  for (const device of devices) state.devices.set(device.id, device);
  return state;
}
const identify = (device: { certificatePem: string }, state: ControlState, at = now) =>
  identifyDevice(new X509Certificate(device.certificatePem), state, at);

describe('a device', () => {
  it('is identified by the certificate that the ledger knows', () => {
    expect(identify(laptop, stateOf(entry(laptop)))).toEqual({
      device: 'd-laptop',
      serial: laptop.serial,
      thumbprint: laptop.thumbprint,
      issuer: 'O=example.org, CN=Postern Device Authority',
      notBefore: laptop.notBefore,
      notAfter: laptop.notAfter,
    });
  });

  it('is identified by an older certificate that is still in force, and by the newest', async () => {
    const renewed = await organization.issueDevice({ id: 'd-laptop' });
    const state = stateOf(entry(laptop, { certificates: [laptop.issued, renewed.issued] }));
    expect(identify(laptop, state)).toMatchObject({ thumbprint: laptop.thumbprint });
    expect(identify(renewed, state)).toMatchObject({ thumbprint: renewed.thumbprint });
  });

  it('in quarantine is identified: the policy decides about it', () => {
    expect(identify(laptop, stateOf(entry(laptop, { state: 'quarantined' })))).toMatchObject({
      device: 'd-laptop',
    });
  });

  it.each(['revoked', 'lost'] as const)(
    'that is %s is refused, also with a certificate that is not known',
    async (state) => {
      const stranger = await organization.issueDevice({ id: 'd-laptop' });
      const refusal = { code: `device-${state}`, detail: `d-laptop is ${state}` };
      expect(identify(laptop, stateOf(entry(laptop, { state })))).toEqual(refusal);
      expect(identify(stranger, stateOf(entry(laptop, { state })))).toEqual(refusal);
    },
  );

  it('that is not enrolled is unknown, though the authority signed its certificate', () => {
    expect(identify(laptop, stateOf())).toEqual({ code: 'device-unknown', detail: 'd-laptop' });
  });

  it('with a certificate that the ledger never issued is refused', async () => {
    const minted = await organization.issueDevice({ id: 'd-laptop' });
    expect(identify(minted, stateOf(entry(laptop)))).toEqual({
      code: 'certificate-unknown',
      detail: `${minted.serial} of d-laptop`,
    });
  });

  it('with the certificate of another device is refused', async () => {
    const other = await organization.issueDevice({ id: 'd-other' });
    const state = stateOf(
      entry(laptop, { certificates: [other.issued] }),
      entry(other, { certificates: [] }),
    );
    expect(identify(other, state)).toMatchObject({ code: 'certificate-unknown' });
  });

  it('is refused before and after the time of its certificate', () => {
    const state = stateOf(entry(laptop));
    expect(identify(laptop, state, laptop.notBefore - 1)).toMatchObject({
      code: 'certificate-not-yet-valid',
    });
    expect(identify(laptop, state, laptop.notAfter + 1)).toMatchObject({ code: 'certificate-expired' });
  });

  it('of another domain is refused', () => {
    const state = stateOf(entry(laptop));
    state.domain = 'example.net';
    expect(identify(laptop, state)).toMatchObject({ code: 'certificate-profile' });
  });
});

describe('a connector', () => {
  const enrolled = (): Device => entry(connector, { role: 'connector', network: 'finance' as NetworkName });

  it('is no laptop, and a laptop no connector', () => {
    const state = stateOf(entry(laptop), enrolled());
    const as = (device: LabDevice, role: 'laptop' | 'connector') =>
      identifyDevice(new X509Certificate(device.certificatePem), state, now, { roles: [role] });
    expect(as(connector, 'connector')).toMatchObject({ device: 'c-finance' });
    expect(as(laptop, 'laptop')).toMatchObject({ device: 'd-laptop' });
    expect(as(connector, 'laptop')).toEqual({
      code: 'certificate-profile',
      detail: 'certificate of a connector',
    });
    expect(as(laptop, 'connector')).toMatchObject({ code: 'certificate-profile' });
  });

  it("with the certificate of a laptop is refused: the role is the ledger's word as well", async () => {
    const twoFaced = await organization.issueDevice({ id: 'c-finance' });
    const state = stateOf({ ...enrolled(), certificates: [twoFaced.issued] });
    expect(identify(twoFaced, state)).toEqual({
      code: 'certificate-profile',
      detail: 'c-finance is enrolled as connector',
    });
  });
});

describe('a service', () => {
  it('is no device', async () => {
    expect(identify(await organization.issueGateway(), stateOf(entry(laptop)))).toMatchObject({
      code: 'certificate-profile',
    });
  });
});
