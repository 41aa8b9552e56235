/** `postern.yaml` as `postern init` writes it: every setting, with what it is for. There are no hidden defaults. */
export const settingsTemplate = (values: {
  readonly domain: string;
  readonly controlNames: readonly string[];
}): string => `# Settings of this Postern server. Each setting is written out: a key that is missing or unknown stops the start.
# Changes take effect when \`postern serve\` starts again.
version: 1

# The organization's domain: the trust domain of its devices. It cannot change later.
domain: ${values.domain}

# The data directory, relative to this file: ledger, keys, flow records.
data: .

# What laptops connect to. A device certificate is required in the handshake, always.
gateway:
  # '::' listens to IPv6 as well, where the machine has it.
  listen: 0.0.0.0
  port: 8443
  # Name in the gateway's certificate; agents ask for it. It needs no DNS entry.
  name: gateway.${values.domain}
  # Under which host:port laptops reach this server; tried in order.
  addresses:
    - 127.0.0.1:8443
  # Where it stands, and the installation's gateways on other servers: laptops go to the nearest, and hold a second session
  # ready in another zone. Each server lists all the others.
  # zone: zone-a
  # others:
  #   - { zone: zone-b, addresses: ['gateway-b.example.org:8443'] }
  # One a core with auto.
  workers: auto
  # TLSv1.2 only for clients that cannot do better.
  minTlsVersion: TLSv1.3

# The API: enrollment, administration.
control:
  listen: 0.0.0.0
  port: 8444
  # DNS names and numeric addresses in its certificate: how laptops and administrators reach it.
  names:
${values.controlNames.map((name) => `    - ${JSON.stringify(name)}`).join('\n')}
  # Gateways whose /metrics, /healthz and /readyz administrators may read under /v1/gateways/ID/: this one alone without.
  # gateways:
  #   - { id: gateway-a, operator: 'http://10.0.0.5:9464' }
  # Requests of administrators a minute, before and after it is known who asks.
  # rateLimits:
  #   perAddress: 12000
  #   perAdministrator: 6000

# /healthz, /readyz and /metrics, without credentials: keep it on loopback or a network of its own.
operator:
  listen: 127.0.0.1
  port: 9464

# Bounds on what a client may ask of a worker. Times in milliseconds.
limits:
  handshakeTimeoutMs: 10000
  headersTimeoutMs: 15000
  # A body that does not move for this long is given up.
  bodyIdleTimeoutMs: 60000
  idleConnectionTimeoutMs: 300000
  maxHeaderBytes: 32768
  # An office behind one address counts as one.
  maxConnectionsPerAddress: 4096
  maxStreamsPerConnection: 256
  # Towards applications.
  dialTimeoutMs: 5000
  upstreamHeadersTimeoutMs: 60000
  upstreamBodyIdleTimeoutMs: 300000
  # A UDP flow is over after so long without a datagram either way.
  datagramIdleTimeoutMs: 120000
  upstreamConnectionsPerWorker: 256
  # How long flows may take to end by themselves when the server stops.
  drainTimeoutMs: 30000

# The user that workers run as when root starts the server: one without any other right.
# runAs:
#   uid: 990
#   gid: 990

# PEM file with authorities that https upstreams may be signed by, beside the system's.
# upstreamAuthorities: upstream-ca.pem

# Where the ledger is: embedded in the data directory, or in Redis for several servers (docs/redis.md).
ledger:
  embedded: true
# ledger:
#   redis:
#     # One of: url; sentinels with master; cluster. rediss:// is with TLS.
#     sentinels:
#       - rediss://sentinel-1.example.org:26379
#       - rediss://sentinel-2.example.org:26379
#       - rediss://sentinel-3.example.org:26379
#     master: postern
#     username: postern
#     # Its first line is the password. Files are relative to this one.
#     passwordFile: redis-password
#     caFile: redis-ca.pem
#     # Begins our keys: another one for each installation in one Redis.
#     prefix: postern
#     # Replicas that must have a change before it is acknowledged.
#     waitForReplicas: 0

# For how many days after the end of its certificate a laptop, back from a holiday, may renew it: with its key, into
# quarantine. 0: never. Without this section: 30.
# renewal:
#   graceDays: 30

# Sign-in of people with an OpenID Connect provider (docs/sign-in.md). Without it a device's user is the one who enrolled it.
# signIn:
#   issuer: https://login.${values.domain}
#   clientId: postern
#   # Relative to this directory, mode 0600.
#   clientSecretFile: keys/sign-in-client.secret
#   # PEM file with authorities that the provider's certificate may be signed by, beside the system's.
#   # authorities: provider-ca.pem
#   # The one that the client is registered with.
#   idTokenAlgorithm: RS256
#   scopes: [openid, email, profile]
#   # Which claim names the user. An email counts only when the provider has verified it.
#   user: { claim: email, letters: lower-case }
#   # Who may sign in on a device: enrolled (whoever enrolled it) or any.
#   users: enrolled
#   # Claims that groups may refer to with members: { claim, value }.
#   groupClaims: [groups]
#   # By what more than one factor is known: acr (also asked for) or amr of the ID token.
#   mfa: { acr: [], amr: [mfa] }
#   # Until a user has to sign in again: 600 to 82800.
#   lifetimeSeconds: 43200
#   # For browsers with the device certificate and no agent: the address of this control plane, as they reach it.
#   # browserUrl: https://control.${values.domain}:8444
#   # Whether people who administer may sign in by a code that they enter on another machine (postern login --device-code).
#   # Strangers can ask for such codes too, and talk an administrator into entering one. Without it: false.
#   # administratorDeviceCode: true
#   timeoutMs: 5000

# Devices under a device management (docs/devices.md): trusts the RSA authority that \`postern managed-devices init\` makes,
# and lets PKCS#12 bundles be made. Without it: false.
# managedDevices: true

# SCEP (RFC 8894) for those devices, at https://CONTROL:8444/v1/scep, with one-time challenges. Without it: false.
# scep: true

# Where others can fetch the revocation list: a public copy of https://CONTROL:8444/v1/crl/devices.crl. With it, new
# device certificates say so.
# revocationList:
#   url: http://pki.example.org/devices.crl

# How many people a change of policies, groups, administrators or firewalls takes: with 2 it waits until a second one approves it. They
# are told apart by sign-in, so make at least two administrators before (docs/policy-changes.md). Without this section: 1.
# changes:
#   approvals: 2

# How much room flow records may take (docs/record-proof.md): at the bound no new flow is let in, since none may go
# unrecorded. \`dropAtBound: [requests, tunnels]\` lets such flows pass without a record, and counts them; refusals, sign-ins and
# findings are recorded in any case. Without this section: what the disk has, but for 256 MiB that are kept free.
# flows:
#   maxBytes: 107374182400
#   minFreeBytes: 268435456
#   dropAtBound: []
#   # Whether records call people by pseudonyms, which nobody without the key can tell the names of (docs/personal-data.md).
#   # Without it: false.
#   pseudonyms: true
#   # For how many days records are kept: of what was let through, and sign-ins, refusals and findings. Without it: 90 and 365.
#   retention: { flowsDays: 90, securityDays: 365 }

# For how many days it is kept who read what over the API (docs/administration.md). Without this section: 730.
# accessLog:
#   keepDays: 730

# Where flow records are delivered to, beside the data directory: any number of receivers, each with a place of its own in the
# records that only its acknowledgement moves (docs/sinks.md). Files are relative to this one.
# sinks:
#   - name: search
#     # Parquet files in the data directory, which make \`postern flows search\` fast (docs/flow-search.md).
#     type: archive
#     from: beginning
#     format: ocsf
#     flushSeconds: 30
#   - name: copy
#     type: file
#     # Where it begins that never delivered: with what is recorded from now on, or at the beginning.
#     from: beginning
#     format: ocsf
#     # flows, or access: what administrators read and changed. Both without it; with runAs, each needs a file of its own.
#     records: flows
#     path: /var/log/postern/records.jsonl
#     rotateMegabytes: 512
#     rotateHours: 24
#     keepFiles: 30
#   - name: soc
#     type: syslog
#     from: now
#     # ocsf (as it is on disk), ecs or cef
#     format: ocsf
#     # Only what fits each of these; all without it.
#     filter: { minimumSeverity: low, only: refusals }
#     # Members that do not leave as they are.
#     redact: { remove: [http_request.user_agent], mask: [http_request.url.path], truncateAddresses: [src_endpoint.ip] }
#     host: siem.example.org
#     port: 6514
#     # Plain TCP without it.
#     tls: { caFile: siem-ca.pem, certificateFile: siem-client.pem, keyFile: siem-client.key }
#     facility: local0
#     # Syslog acknowledges nothing: what was written so long before a connection broke is written again.
#     resendSeconds: 5
#     # Also: archive, s3, elasticsearch, splunk, loki, redis, nats.
#     # In flight at once. Without it: 1000 records, 1024 kilobytes.
#     batch: { maxRecords: 1000, maxKilobytes: 1024 }
#   # Looks at records for what a person should look at, and records what it finds (docs/detections.md).
#   - name: detections
#     type: detections
#     from: now
#     format: ocsf
#     # Days of records that a habit takes.
#     learnDays: 14
#     # CSV file that says where networks are; without it, sign-ins from two far places are not found.
#     # places: places.csv
#     # What is not looked for.
#     # off: [app-first-use]

# By what requests are inspected that applications want inspected (docs/inspection.md, docs/malware.md, docs/data-loss.md).
inspection:
  # Folder with the rule files of the OWASP Core Rule Set; of the Debian package modsecurity-crs.
  coreRuleSet: /usr/share/modsecurity-crs/rules
  # As much of a body is held back and looked at; what is beyond goes on unseen, and the flow's record says so.
  maxBodyBytes: 131072
  # Of all bodies that a worker holds at once.
  maxHeldBytes: 67108864
  timeoutMs: 2000
  # Who finds malware in uploads and downloads of applications with \`inspect: [malware]\`. Without it nobody does.
  # malware:
  #   # Its socket on this machine, which the user of \`runAs\` must be able to open; or host:port.
  #   clamd: /var/run/clamav/clamd.ctl
  #   # Or an ICAP service (RFC 3507) in its place.
  #   # icap: icap://127.0.0.1:1344/virus_scan
  #   # Nothing moved between it and us for so long: it is away.
  #   timeoutMs: 30000
  #   # As much of a content is kept back; what is no longer is refused before anybody has any of it. Part of maxHeldBytes above.
  #   maxHeldBytes: 262144
  #   # At once, by each worker; no more than all of them together should exceed MaxThreads of clamd by much.
  #   maxScans: 16
  # Looks for personal and bank data in uploads and downloads of applications with \`inspect: [dlp]\`. Without it nobody does.
  dataLoss:
    # As much of a content is kept back; what is no longer is refused before anybody has any of it. Part of maxHeldBytes above.
    maxHeldBytes: 262144
    timeoutMs: 5000

log:
  # debug, info, warn, error or silent
  level: info
`;
