import {
  AgentConfig,
  BeginSignInResponse,
  CompleteSignInResponse,
  EnrollResponse,
  LeaveResponse,
  RenewResponse,
  SignOutResponse,
  TokenResponse,
} from '../../src/contract/control-api.ts';
import type { BeginSignInRequest } from '../../src/contract/control-api.ts';
import type { PostureReport } from '../../src/contract/posture.ts';
import type { Credentials } from '../state/credentials.ts';
import { callControl } from './control-client.ts';

/** What the agent asks of the control plane once it is enrolled. Every call may throw what callControl throws. */
export interface DeviceApi {
  fetchConfig(credentials: Credentials, signal?: AbortSignal): Promise<AgentConfig>;
  /** `signIn` is what was kept of the user's sign-in, where there is one. */
  fetchToken(
    credentials: Credentials,
    posture: PostureReport,
    signIn?: string,
    signal?: AbortSignal,
  ): Promise<TokenResponse>;
  beginSignIn(
    credentials: Credentials,
    request: BeginSignInRequest,
    signal?: AbortSignal,
  ): Promise<BeginSignInResponse>;
  /** `parameters`: the query string that the browser came back with. */
  completeSignIn(
    credentials: Credentials,
    request: { readonly transaction: string; readonly parameters?: string },
    signal?: AbortSignal,
  ): Promise<CompleteSignInResponse>;
  signOut(credentials: Credentials, signIn: string): Promise<SignOutResponse>;
  /** Revokes this device for good. */
  leave(credentials: Credentials, signal?: AbortSignal): Promise<LeaveResponse>;
  renew(credentials: Credentials, csrPem: string, signal?: AbortSignal): Promise<RenewResponse>;
}

export function createDeviceApi(url: string): DeviceApi {
  const target = (credentials: Credentials, signal: AbortSignal | undefined) => ({
    url,
    client: credentials,
    ...(signal === undefined ? {} : { signal }),
  });
  return {
    fetchConfig: (credentials, signal) =>
      callControl(target(credentials, signal), 'GET', '/v1/device/config', undefined, AgentConfig),
    fetchToken: (credentials, posture, signIn, signal) =>
      callControl(
        target(credentials, signal),
        'POST',
        '/v1/device/token',
        { posture, ...(signIn === undefined ? {} : { signIn }) },
        TokenResponse,
      ),
    beginSignIn: (credentials, request, signal) =>
      callControl(target(credentials, signal), 'POST', '/v1/device/sign-in', request, BeginSignInResponse),
    completeSignIn: (credentials, request, signal) =>
      callControl(
        target(credentials, signal),
        'POST',
        '/v1/device/sign-in/complete',
        request,
        CompleteSignInResponse,
      ),
    signOut: (credentials, signIn) =>
      callControl(target(credentials, undefined), 'POST', '/v1/device/sign-out', { signIn }, SignOutResponse),
    leave: (credentials, signal) =>
      callControl(target(credentials, signal), 'POST', '/v1/device/leave', {}, LeaveResponse),
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
