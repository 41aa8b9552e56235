import { criterionMeanings, postureCriteria, postureFactNames, postureFacts } from '../domain/posture.ts';

const attributes = <Name extends string>(
  names: readonly Name[],
  type: string,
  comment: (name: Name) => string,
): string => names.map((name) => `  // ${comment(name)}\n  ${name}: ${type},`).join('\n');

/**
 * The Cedar schema that policies are checked against, as `postern policy schema` prints it. What it promises about
 * the context is what context-leaves.ts builds; a test holds the two together.
 */
export const cedarSchema = `// What a Postern policy can speak of. Print it with: postern policy schema
//
// A policy reads: may this user, from this device, now, send this request to this application? Nothing is allowed
// unless a permit says so, and a forbid that holds wins over every permit.
//
//   permit (principal in Group::"finance", action == Action::"access", resource == App::"grants")
//   when { context.posture.diskEncrypted && context.posture.ageSeconds < 600 };

// Who asks: User::"alice@example.org", a member of the Group resources that list that name, or whose claim and
// value the identity provider asserted.
entity Group;
entity User in [Group];

// Or a machine that nobody signs in on, such as a camera: Device::"d-9m4c…", by the id that it was enrolled under. It is
// a member of the groups that list its name, spiffe://DOMAIN/device/ID. Every forbid holds for it, but only those permits
// whose scope says that they are for machines: principal is Device, principal is Device in Group::"cameras", or
// principal == Device::"d-9m4c…". A permit for everyone is one for every user.
entity Device in [Group];

// What is asked for: App::"grants", by the name of its App resource, inside its Network.
entity Network;
entity App in [Network];

// The laptop or machine, as the ledger knows it.
type DeviceFacts = {
  id: String,
  // "active" or "quarantined"; a lost or revoked device is refused before policies are asked. A device in quarantine
  // meets every forbid, but only those permits whose conditions speak of this very attribute, such as
  // permit (principal, action, resource == App::"help-desk")
  // when { ["active", "quarantined"].contains(context.device.state) };
  state: String,
  // "laptop" or "machine"
  role: String,
  // Seconds since it was enrolled.
  enrolledAgeSeconds: Long,
};

// What the laptop last reported about itself. A check that could not run is unknown, and unknown is never true: the
// criterion is then false here, and its name is in \`unknown\`. So a permit that asks for it does not hold, and
// \`forbid ... when { !context.posture.diskEncrypted }\` does.
type Posture = {
${attributes(postureCriteria, 'Bool', (name) => `Whether ${criterionMeanings[name]}`)}
  // Names of the criteria above that are unknown: context.posture.unknown.contains("secureBoot")
  unknown: Set<String>,
  // True when nothing was reported at all. Every criterion is then unknown, and ageSeconds is three hundred years.
  missing: Bool,
  // Seconds since the checks ran.
  ageSeconds: Long,
  // In words, each empty when missing.
${attributes(postureFactNames, 'String', (name) => postureFacts[name].meaning)}
};

// How the user last signed in at the identity provider, in person. When a denial would have been an allow after a fresh
// sign-in, or one with more than one factor, the answer is a challenge: the user is told to sign in, and how.
type SignIn = {
  // Seconds since then: context.signIn.ageSeconds < 300
  ageSeconds: Long,
  // Whether it took more than one factor.
  mfa: Bool,
  // True when the user never signed in so. Then mfa is false, and ageSeconds is three hundred years.
  missing: Bool,
};

// The request as it will be forwarded. A tunnel has the method "CONNECT" and an empty path.
type Request = {
  method: String,
  // Without query string: context.request.path like "/admin/*"
  path: String,
  host: String,
};

// Where the connection comes from: context.source.address.isInRange(ip("10.0.0.0/8"))
type Source = {
  address: ipaddr,
};

action access appliesTo {
  principal: [User, Device],
  resource: [App],
  context: {
    device: DeviceFacts,
    posture: Posture,
    signIn: SignIn,
    request: Request,
    source: Source,
    // UTC, to the second: context.now.toTime() >= duration("6h") && context.now < datetime("2030-01-01")
    now: datetime,
  },
};
`;
