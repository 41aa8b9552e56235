import type { FlowFacts, FlowOutcome } from '../../domain/flow.ts';
import { authorizationMembers } from './context.ts';
import type { Context } from './context.ts';
import { activityOf } from './envelope.ts';
import type { Draft, Origin } from './envelope.ts';
import { truncatedTexts } from './http-activity.ts';
import {
  certificateObject,
  deviceObject,
  endpointObject,
  sessionObject,
  splitAuthority,
  userObject,
} from './parties.ts';
import { asciiMembers, bound, textLimits } from './safe-text.ts';

/** OCSF class 3002: a handshake or a token that was accepted or refused. The user is unknown until a token says who. */
export function createAuthentication(
  gateway: string,
  origin: Origin,
): (facts: FlowFacts, outcome: FlowOutcome, context: Context) => Draft {
  const activity = activityOf(3002, 'Authentication', 1, 'Logon', origin);
  return (facts, outcome, context) => {
    const { connection, subject, request } = facts;
    const isOfToken = subject !== undefined || request !== undefined;
    const members = asciiMembers({
      user: userObject(subject),
      ...(subject === undefined ? {} : { session: sessionObject(subject) }),
      device: deviceObject(connection, subject),
      src_endpoint: endpointObject(connection.source),
      dst_endpoint: { hostname: gateway, ...endpointObject(connection.destination) },
      service: { name: 'postern-gateway' },
      auth_protocol_id: 99,
      auth_protocol: isOfToken ? 'JWT bound to a client certificate (RFC 8705)' : 'TLS client certificate',
      logon_type_id: 3,
      logon_type: 'Network',
      is_remote: true,
      is_cleartext: false,
      ...(connection.certificate === undefined
        ? {}
        : { certificate: certificateObject(connection.certificate) }),
      ...(request === undefined ? {} : requestMembers(request)),
      ...(outcome.status === undefined ? {} : { http_response: { code: outcome.status } }),
      ...authorizationMembers(facts),
    });
    const postern = asciiMembers({
      step: isOfToken ? 'token' : 'handshake',
      tls:
        connection.tls === undefined
          ? null
          : {
              version: connection.tls.version,
              cipher: connection.tls.cipher,
              serverName:
                connection.tls.serverName === undefined
                  ? null
                  : bound(connection.tls.serverName, textLimits.host),
            },
      bytesIn: outcome.bytesIn,
      bytesOut: outcome.bytesOut,
    });
    return {
      activity,
      content: 'credentials',
      facts,
      outcome,
      time: outcome.endedAt,
      members: `,${members}`,
      context,
      postern: `,${postern}`,
      truncated: request === undefined ? [] : truncatedTexts(request),
    };
  };
}

/** The path is not part of proving who one is, and a sign-in's path may hold what belongs to nobody else. */
function requestMembers({ authority, httpVersion, userAgent }: NonNullable<FlowFacts['request']>): object {
  const { host, port } = splitAuthority(authority);
  return {
    http_request: {
      version: httpVersion,
      url: {
        hostname: host,
        ...(port === undefined ? {} : { port }),
        url_string: port === undefined ? host : `${host}:${port}`,
      },
      ...(userAgent === undefined ? {} : { user_agent: bound(userAgent, textLimits.userAgent) }),
    },
  };
}
