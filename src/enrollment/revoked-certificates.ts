import type { RevokedCertificate } from '../../certs/revocation-list.ts';
import type { ControlState } from '../domain/control-state.ts';
import { isFinal } from '../domain/device.ts';

/** RFC 5280, section 3.3: an entry stays until it stood on a list that was made after the certificate's end. */
const keptSeconds = 7 * 86_400;

/**
 * What a revocation list names: the certificates of devices that are revoked or lost. Not those of devices in
 * quarantine, which may end, nor those that a renewal superseded, which are good until their end.
 * `now` in epoch seconds. `isManaged`: of the authority of managed devices, or of the other one.
 */
export const revokedCertificates = (
  { devices }: Pick<ControlState, 'devices'>,
  now: number,
  isManaged: boolean,
): RevokedCertificate[] =>
  [...devices.values()].filter(isFinal).flatMap((device) =>
    device.certificates
      .filter(({ managed, notAfter }) => (managed === true) === isManaged && notAfter + keptSeconds >= now)
      .map(({ serial }) => ({
        serial,
        revokedAt: device.changedAt,
        isCompromised: device.state === 'lost',
      })),
  );
