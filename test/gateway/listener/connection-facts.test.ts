import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { describeCertificate } from '../../../src/gateway/listener/connection-facts.ts';
import { makeOrganization } from '../../lab/pki.ts';
import type { LabDevice, Organization } from '../../lab/pki.ts';

/** One serial number of sixteen begins with a zero, which Node prints and the ledger does not keep. */
async function issueWith(organization: Organization, hasZero: boolean): Promise<LabDevice> {
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    const device = await organization.issueDevice();
    if ((device.serial.length % 2 === 1) === hasZero) return device;
  }
  throw new Error('no such serial number in a thousand');
}

describe('the facts of a certificate that was presented', () => {
  it.each([true, false])(
    'name its serial number as the ledger does, with a zero before it: %s',
    async (hasZero) => {
      const device = await issueWith(await makeOrganization(), hasZero);
      const facts = describeCertificate(new X509Certificate(device.chainPem));
      expect([facts.serial, facts.thumbprint]).toEqual([device.serial, device.thumbprint]);
    },
  );
});
