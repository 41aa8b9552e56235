import { AgentConfig, EnrollResponse, RenewResponse, TokenResponse } from '../../src/contract/control-api.ts';
import type { PostureReport } from '../../src/contract/posture.ts';
import type { Credentials } from '../state/credentials.ts';
import { callControl } from './control-client.ts';

/** What the agent asks of the control plane once it is enrolled. Every call may throw what callControl throws. */
export interface DeviceApi {
  fetchConfig(credentials: Credentials, signal?: AbortSignal): Promise<AgentConfig>;
  fetchToken(credentials: Credentials, posture: PostureReport, signal?: AbortSignal): Promise<TokenResponse>;
  renew(credentials: Credentials, csrPem: string, signal?: AbortSignal): Promise<RenewResponse>;
}

export function createDeviceApi(url: string): DeviceApi {
  const target = (credentials: Credentials, signal: AbortSignal | undefined) => ({
    url,
    authorityPem: credentials.authorityPem,
    client: credentials,
    ...(signal === undefined ? {} : { signal }),
  });
  return {
    fetchConfig: (credentials, signal) =>
      callControl(target(credentials, signal), 'GET', '/v1/device/config', undefined, AgentConfig),
    fetchToken: (credentials, posture, signal) =>
      callControl(target(credentials, signal), 'POST', '/v1/device/token', { posture }, TokenResponse),
    renew: (credentials, csr, signal) =>
      callControl(target(credentials, signal), 'POST', '/v1/device/renew', { csr }, RenewResponse),
  };
}

/** The only call without a client certificate: the one-time token is the proof. */
export const callEnroll = (
  url: string,
  authorityPem: string,
  token: string,
  csr: string,
): Promise<EnrollResponse> =>
  callControl({ url, authorityPem }, 'POST', '/v1/enroll', { token, csr }, EnrollResponse);
