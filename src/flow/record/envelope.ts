import type { FlowFacts, FlowOutcome } from '../../domain/flow.ts';
import type { Context } from './context.ts';
import { formatInspection } from './inspection.ts';
import type { Content } from './inspection.ts';
import { postureAgeSeconds } from './posture-age.ts';
import { reasonsOf } from './reasons.ts';
import { asciiJson, asciiMembers, quote } from './safe-text.ts';
import { formatVerdict } from './verdict.ts';

const ocsfVersion = '1.8.0';

/** What is fixed for a class and its activity, as JSON members. */
export interface Activity {
  readonly members: string;
  readonly metadata: string;
}

/** What all records of this installation say of their origin. */
export interface Origin {
  readonly productVersion: string;
  /** Users, devices and apps are unique within it. */
  readonly domain: string;
}

export function activityOf(
  classUid: 4001 | 4002 | 4014 | 3002,
  className: string,
  activityId: number,
  activityName: string,
  origin: Origin,
): Activity {
  const isNetwork = classUid !== 3002;
  return {
    members: asciiMembers({
      class_uid: classUid,
      class_name: className,
      category_uid: isNetwork ? 4 : 3,
      activity_id: activityId,
      activity_name: activityName,
      type_uid: classUid * 100 + activityId,
    }),
    metadata: asciiMembers({
      ...originMembers(origin),
      profiles: ['host', ...(isNetwork ? ['network_proxy'] : []), 'security_control'],
    }),
  };
}

interface OriginMembers {
  readonly version: typeof ocsfVersion;
  readonly product: { readonly name: 'Postern'; readonly vendor_name: 'Postern'; readonly version: string };
  readonly tenant_uid: string;
}

/** The first members of `metadata`, the same in each record of an installation. */
export const originMembers = ({ productVersion, domain }: Origin): OriginMembers => ({
  version: ocsfVersion,
  product: { name: 'Postern', vendor_name: 'Postern', version: productVersion },
  tenant_uid: domain,
});

interface Metadata<Profiles> extends OriginMembers {
  readonly profiles: Profiles;
  readonly uid: string;
  readonly sequence: number;
  readonly logged_time: number;
  readonly correlation_uid: string;
}

/** `metadata` of a record that is rare enough to be built as an object. */
export const metadataObject = <Profiles extends readonly string[] | []>(
  origin: Origin,
  profiles: Profiles,
  { uid, sequence, loggedTime }: Pick<Place, 'uid' | 'sequence' | 'loggedTime'>,
  correlation: string,
): Metadata<Profiles> => ({
  ...originMembers(origin),
  profiles,
  uid,
  sequence,
  logged_time: loggedTime,
  correlation_uid: correlation,
});

/** What is known of a record before it has its place in the chain. */
export interface Draft {
  readonly activity: Activity;
  readonly content: Content;
  readonly facts: FlowFacts;
  readonly outcome: FlowOutcome | undefined;
  /** Epoch milliseconds of what is recorded. */
  readonly time: number;
  /** Members of the class, from its own file; with a comma before them, or empty. */
  readonly members: string;
  readonly context: Context;
  /** Members of `unmapped.postern` that only this class has; with a comma before them, or empty. */
  readonly postern: string;
  /** Names of the texts that were longer than what is kept. */
  readonly truncated: readonly string[];
}

/** The place of a record in its worker's chain. */
export interface Place {
  readonly uid: string;
  readonly sequence: number;
  /** Epoch milliseconds. */
  readonly loggedTime: number;
  /** Records that were given up before this one, while the disk took none. */
  readonly lost: number;
  readonly previous: string;
}

const allowedReasons = asciiJson(['policy-permits']);

/** The line of a record, without its line feed. `previous` comes last, so that eyes find it. */
export function formatRecord(draft: Draft, place: Place): string {
  const { activity, facts, outcome, time, context, truncated } = draft;
  const start = Math.trunc(facts.startedAt);
  const end = Math.trunc(time);
  const isAllowed = facts.decision?.effect === 'allow';
  const isPlain = isAllowed && outcome?.refusal === undefined;
  const cut = truncated.length === 0 ? '' : ',"is_truncated":true';
  const id = quote(facts.id, 64);
  return (
    `{${activity.members},"time":${end},"start_time":${start}` +
    (outcome === undefined ? '' : `,"end_time":${end},"duration":${Math.max(0, end - start)}`) +
    `,${formatVerdict(outcome, isAllowed)},"metadata":{${activity.metadata},"uid":"${place.uid}"` +
    `,"sequence":${place.sequence},"logged_time":${place.loggedTime},"correlation_uid":${id}${cut}}` +
    `${draft.members},"unmapped":{"postern":{"flow":${id}` +
    `,"parent":${facts.parent === undefined ? 'null' : quote(facts.parent, 64)},${context.postern}` +
    `,"postureAgeSeconds":${postureAgeSeconds(facts)}` +
    `,"reasons":${isPlain ? allowedReasons : asciiJson(reasonsOf(facts.decision, outcome))}` +
    `,"refusal":${outcome?.refusal === undefined ? 'null' : quote(outcome.refusal, 64)}` +
    `,"endedBy":${outcome === undefined ? 'null' : `"${outcome.endedBy}"`}${draft.postern}` +
    `,"inspection":${formatInspection(draft.content, facts)}` +
    `,"truncated":${truncated.length === 0 ? '[]' : asciiJson(truncated)},"lost":${place.lost}` +
    `,"previous":"${place.previous}"}}}`
  );
}
