import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ClockOffset, CoreRuleSet, WorkerStart } from '../../contract/ipc.ts';
import type { Settings } from '../../contract/settings.ts';
import type { RunningAuthorities } from '../keys/authorities.ts';
import { findFreePort } from '../free-port.ts';
import type { KeptCertificate } from '../keys/server-certificates.ts';
import type { SigningKeys } from '../keys/signing-keys.ts';

/**
 * The port that all workers share: the one where they listen already, or of the settings, or, for 0, one that is free.
 */
export async function chooseGatewayPort(settings: Settings, known: number | undefined): Promise<number> {
  const { port, listen } = settings.gateway;
  return known ?? (port === 0 ? findFreePort(listen) : port);
}

/**
 * Authorities for https upstreams, as PEM; the path is relative to the settings file, which lies in the data directory.
 * @throws when the file cannot be read: upstreams would be refused one by one, and nobody would know why.
 */
export async function readUpstreamAuthorities(settings: Settings, data: string): Promise<string | undefined> {
  if (settings.upstreamAuthorities === undefined) return undefined;
  return await readFile(resolve(data, settings.upstreamAuthorities), 'utf8');
}

/** All that a worker is started with but its number and the state, as it is when it asks. */
export function describeWorkerStart(parts: {
  readonly settings: Settings;
  readonly data: string;
  readonly gatewayPort: number;
  readonly bootId: string;
  readonly flowDirectory: string;
  readonly authorities: RunningAuthorities;
  readonly deviceTrustAnchorPem: string;
  readonly gatewayCertificate: KeptCertificate;
  readonly keys: Pick<SigningKeys, 'current'>;
  readonly upstreamAuthoritiesPem: string | undefined;
  readonly coreRuleSet: CoreRuleSet;
  readonly clock: ClockOffset;
}): Omit<WorkerStart, 'workerNumber' | 'snapshot'> {
  const { settings, authorities } = parts;
  const { chainPem, keyPem } = parts.gatewayCertificate.current;
  const { kid, privateKeyPem } = parts.keys.current('assertion');
  return {
    settings: { ...settings, data: parts.data, gateway: { ...settings.gateway, port: parts.gatewayPort } },
    bootId: parts.bootId,
    flowDirectory: parts.flowDirectory,
    clock: parts.clock,
    rootPem: authorities.rootPem,
    deviceAuthorityPem: parts.deviceTrustAnchorPem,
    managedAuthorityPem: authorities.managed?.certificatePem,
    serviceAuthorityPem: authorities.service.certificatePem,
    gatewayCertificatePem: chainPem,
    gatewayKeyPem: keyPem,
    assertionKey: { kid, privateKeyPem },
    coreRuleSet: parts.coreRuleSet,
    ...(parts.upstreamAuthoritiesPem === undefined
      ? {}
      : { upstreamAuthoritiesPem: parts.upstreamAuthoritiesPem }),
  };
}
