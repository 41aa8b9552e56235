import type { ControlState } from '../../domain/control-state.ts';
import type { Device } from '../../domain/device.ts';
import type { AppName, DeviceId, UserName } from '../../domain/ids.ts';
import type { App, Policy, Resource } from '../../domain/resources.ts';
import type { Subject, VerifiedToken } from '../../domain/subject.ts';
import { machineName } from '../../domain/subject.ts';
import { emptyState } from '../../ledger/fold.ts';
import { mapOfKind } from '../../ledger/resource-maps.ts';
import { checkPolicies } from '../../policy/check-policies.ts';
import { createPolicyEngine } from '../../policy/engine.ts';
import type { PolicyEngine } from '../../policy/engine.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { printable } from '../terminal/output.ts';
import { formatFileProblem } from '../resource-files.ts';
import type { loadResources } from '../resource-files.ts';

/** The decision engine of the gateway over resources from anywhere: for cases that people write, and for records. */
export interface Simulation {
  readonly engine: PolicyEngine;
  readonly app: (name: string) => App | undefined;
  /** Makes a device known. One of the same id is replaced. */
  know(device: Device): void;
}

/** Machines of a simulation are named in it. */
const domain = 'simulation.invalid';

export function createSimulation(resources: readonly Resource[]): Simulation {
  const state: ControlState = { ...emptyState(), domain };
  for (const resource of resources) mapOfKind(state, resource.kind).set(resource.name, resource);
  const engine = createPolicyEngine();
  engine.load(state);
  return {
    engine,
    app: (name) => state.apps.get(name as AppName),
    know: (device) => void state.devices.set(device.id, device),
  };
}

const thumbprint = 'simulated';
const never = Number.MAX_SAFE_INTEGER;

/** A device whose certificate is good for ever: what is asked here is what policies say. */
export const simulatedDevice = (
  device: Pick<Device, 'role' | 'state' | 'enrolledAt'> & { readonly id: string; readonly user: string },
): Device => ({
  ...device,
  id: device.id as DeviceId,
  user: device.user as UserName,
  changedAt: device.enrolledAt,
  certificates: [{ serial: '01', thumbprint, notAfter: never }],
});

/** Who asks from such a device; on a machine the machine itself. */
export function simulatedSubject(
  { id, role }: Device,
  token: Pick<VerifiedToken, 'claims' | 'posture' | 'signIn' | 'issuedAt'> & { readonly user: string },
): Subject {
  return {
    certificate: { device: id, serial: '01', thumbprint, issuer: '', notBefore: 0, notAfter: never },
    token: {
      id: 'simulated',
      ...token,
      user: role === 'machine' ? machineName(domain, id) : (token.user as UserName),
      device: id,
      expiresAt: never,
    },
  };
}

/**
 * Passes policies that could be applied to these resources. `place` knows where those of files are written.
 * @throws CliError naming what is wrong with each, where it is written, and in which policy
 */
export function requireSoundPolicies(
  resources: readonly Resource[],
  place: Awaited<ReturnType<typeof loadResources>>['place'],
): void {
  const policies = resources.filter((resource): resource is Policy => resource.kind === 'Policy');
  const namesOf = (kind: Resource['kind']): string[] =>
    resources.filter((resource) => resource.kind === kind).map(({ name }) => name);
  const apps = resources.filter((resource): resource is App => resource.kind === 'App');
  const context = { apps, groups: namesOf('Group'), networks: namesOf('Network') };
  const errors = checkPolicies(policies, context, new Set()).filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return;
  throw new CliError(
    exitCodes.invalid,
    'these policies could not be applied; see: postern policy check',
    errors
      .map(({ policy: name, line, message }) => {
        const what = `policy ${name}: ${message}`;
        const where = line === undefined ? {} : { line };
        const at = place({ kind: 'Policy', name, key: 'cedar', message: what, ...where });
        if (at !== undefined) return formatFileProblem(at);
        return `on the server: policy ${name}${line === undefined ? '' : ` line ${line}`}: ${message}`;
      })
      .map(printable),
  );
}
