import { backupCheck } from './checks/backup.ts';
import { certificatesCheck } from './checks/certificates.ts';
import { clockCheck } from './checks/clock.ts';
import { devicesCheck } from './checks/devices.ts';
import { diskCheck } from './checks/disk.ts';
import { flowsCheck } from './checks/flows.ts';
import { inspectionCheck } from './checks/inspection.ts';
import { keyFilesCheck } from './checks/key-files.ts';
import { ledgerCheck } from './checks/ledger.ts';
import { namesCheck } from './checks/names.ts';
import { networksCheck } from './checks/networks.ts';
import { policiesCheck } from './checks/policies.ts';
import { portsCheck } from './checks/ports.ts';
import { redisCheck } from './checks/redis.ts';
import { revocationListsCheck } from './checks/revocation-lists.ts';
import { scannerCheck } from './checks/scanner.ts';
import { serverCheck } from './checks/server.ts';
import { sinksCheck } from './checks/sinks.ts';
import { serversCheck } from './checks/servers.ts';
import { twoPeopleCheck } from './checks/two-people.ts';
import { upstreamsCheck } from './checks/upstreams.ts';
import { versionsCheck } from './checks/versions.ts';
import type { Check } from './finding.ts';

/** In the order in which they are told: what runs, what it stands on, whom it lets where, what is kept of it. */
export const checks: readonly Check[] = [
  serverCheck,
  versionsCheck,
  serversCheck,
  clockCheck,
  portsCheck,
  namesCheck,
  diskCheck,
  keyFilesCheck,
  certificatesCheck,
  revocationListsCheck,
  ledgerCheck,
  redisCheck,
  networksCheck,
  upstreamsCheck,
  inspectionCheck,
  scannerCheck,
  policiesCheck,
  twoPeopleCheck,
  devicesCheck,
  flowsCheck,
  sinksCheck,
  backupCheck,
];
