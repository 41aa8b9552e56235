/** Where things lie under `postern init --data DIR`. Relative to DIR; join them with node:path where files are opened. */
export const dataDirectory = {
  settings: 'postern.yaml',
  /** Holds `dataFormat`; a directory of another format is refused, never converted in silence. */
  format: 'FORMAT',
  ledger: 'ledger.db',
  /** What this server has seen of a ledger in Redis, and what Redis lost of it. */
  replica: 'ledger-replica.db',
  lostEntries: 'ledger-lost',
  flows: 'flows',
  /** Of segments of flow records whose time was over, what is kept longer: out of the workers' reach. */
  keptRecords: 'kept',
  /** `NAME.cursor`: what each sink's receiver has acknowledged; `NAME.refused`: what it will never take. */
  sinks: 'sinks',
  /** The same of what delivers the access log, where that is a process of its own: out of the workers' reach. */
  accessSinks: 'access-sinks',
  /** Records as Parquet files by retention class, day and hour, where the settings have a sink of type `archive`. */
  archive: 'archive',
  /** When the last backup was made, of which head, and where to: for `postern doctor`. Not in backups. */
  lastBackup: 'LAST_BACKUP',
  /** Who read what over the API: chained like flow records, and out of the workers' reach. */
  accessLog: 'access',
  /** Signed statements of how far the chains of both were written: out of the workers' reach, as is the key. */
  checkpoints: 'checkpoints',
  checkpointKey: 'keys/record-checkpoints.key',
  /** Its public half, and those of keys before it: what `postern flows verify` believes. */
  checkpointPublicKeys: 'certs/record-checkpoints.pem',
  rootCertificate: 'certs/root.crt',
  deviceAuthorityCertificate: 'certs/device-authority.crt',
  serviceAuthorityCertificate: 'certs/service-authority.crt',
  /** Needed only to make new authorities: to be moved to offline media after `init`. No running process reads it. */
  rootKey: 'keys/root.key',
  deviceAuthorityKey: 'keys/device-authority.key',
  serviceAuthorityKey: 'keys/service-authority.key',
  /** Made by `postern managed-devices init`. */
  managedAuthorityCertificate: 'certs/managed-authority.crt',
  managedAuthorityKey: 'keys/managed-authority.key',
  /** `SERIAL.crt` and `SERIAL.key` of SCEP, made at the first start that has it in its settings, and anew each year. */
  scepCertificates: 'certs/scep',
  scepKeys: 'keys/scep',
  /** What pseudonyms in records are made with, a sealed key for each person; only where the settings ask for them. */
  people: 'keys/people.db',
  /** `session-KID.key` and `assertion-KID.key`, made and retired by the control plane. */
  signingKeys: 'keys/signing',
} as const;

/** The private half of one signing key, relative to the data directory. */
export const signingKeyPath = (use: 'session' | 'assertion', kid: string): string =>
  `${dataDirectory.signingKeys}/${use}-${kid}.key`;

export const dataFormat = 'postern-data-1';
