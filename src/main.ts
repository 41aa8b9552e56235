#!/usr/bin/env node
import { createProgram, runProgram } from './cli/program.ts';
import type { Register } from './cli/program.ts';

// Each command is loaded when it is asked for, so that none waits for what another needs.
const commands: Readonly<Record<string, () => Promise<Register>>> = {
  init: async () => (await import('./cli/init.ts')).registerInit,
  login: async () => (await import('./cli/login.ts')).registerLogin,
  logout: async () => (await import('./cli/login.ts')).registerLogout,
  serve: async () => (await import('./cli/serve.ts')).registerServe,
  apply: async () => (await import('./cli/apply.ts')).registerApply,
  get: async () => (await import('./cli/get.ts')).registerGet,
  delete: async () => (await import('./cli/delete.ts')).registerDelete,
  'enroll-token': async () => (await import('./cli/devices/enroll-token.ts')).registerEnrollToken,
  'api-key': async () => (await import('./cli/api-key.ts')).registerApiKey,
  'access-log': async () => (await import('./cli/access-log.ts')).registerAccessLog,
  'managed-devices': async () => (await import('./cli/devices/managed-devices.ts')).registerManagedDevices,
  device: async () => (await import('./cli/device.ts')).registerDevice,
  policy: async () => (await import('./cli/policy.ts')).registerPolicy,
  why: async () => (await import('./cli/why.ts')).registerWhy,
  ledger: async () => (await import('./cli/ledger.ts')).registerLedger,
  flows: async () => (await import('./cli/flows.ts')).registerFlows,
  backup: async () => (await import('./cli/backup/backup.ts')).registerBackup,
  restore: async () => (await import('./cli/backup/restore.ts')).registerRestore,
  doctor: async () => (await import('./cli/doctor.ts')).registerDoctor,
  demo: async () => (await import('./cli/demo.ts')).registerDemo,
};

// A reader that has seen enough, such as `head`, closes the pipe: that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const program = createProgram();
const named = process.argv[2] ?? '';
const load = Object.hasOwn(commands, named) ? [commands[named]] : Object.values(commands);
for (const command of load) (await command?.())?.(program);
await runProgram(program, process.argv);
